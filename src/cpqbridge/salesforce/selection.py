"""Which fields a query asks for: what is needed and the org lets us see."""

from __future__ import annotations

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.needs import FieldNeeds, ObjectNeeds
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.schema import OrgSchema, load_schema

# Objects that conditions and paths go through, beside those that are read themselves.
_ON_THE_WAY = (
    "Account",
    "ConsumptionSchedule",
    "Contact",
    "Contract",
    "Opportunity",
    "Order",
    "OrderItem",
    "Order_Stripe_Coupon__c",
    "Pricebook2",
    "PricebookEntry",
    "Product2",
    "SBQQ__QuoteLine__c",
    "SBQQ__Quote__c",
)
_MOST_DESCRIBE_ROUNDS = 5


def load_needed_schema(client: SalesforceClient, needs: FieldNeeds) -> OrgSchema:
    """Describe what reading and writing a contract touches: one call, more only for mapped paths beyond it.

    Raises:
        CpqbridgeError: As `cpqbridge.salesforce.schema.load_schema`.
    """
    schema = load_schema(client, {*_ON_THE_WAY, *needs.objects})
    for _ in range(_MOST_DESCRIBE_ROUNDS):
        reached = {
            target
            for name, need in needs.objects.items()
            for path in (*need.required, *need.optional)
            for target in schema.targets(name, path)
        }
        unknown = reached - schema.objects.keys() - schema.absent
        if not unknown:
            break
        schema = schema.merged(load_schema(client, unknown))
    return schema


def selected_fields(schema: OrgSchema, need: ObjectNeeds) -> tuple[str, ...]:
    """Return the field paths to select of one object, sorted; optional ones the org lacks are left out.

    Raises:
        ConfigurationError: The object or a required field is absent or hidden (code
            `salesforce_field_missing`; `field` is the path from the object).
    """
    for path in need.required:
        if not schema.has(need.object_name, path):
            raise _missing(schema, need.object_name, path)
    optional = {path for path in need.optional if schema.has(need.object_name, path)}
    return tuple(sorted({"Id", *need.required, *optional}))


def _missing(schema: OrgSchema, object_name: str, path: str) -> ConfigurationError:
    what = (
        f"The field {object_name}.{path}" if schema.has_object(object_name) else f"The object {object_name}"
    )
    return ConfigurationError(
        f"{what} is needed, but the org lacks it or hides it from the integration user.",
        code="salesforce_field_missing",
        field=f"{object_name}.{path}",
        fix="Assign the connector's permission set (and a Salesforce CPQ licence) to the integration user, "
        "or correct the mapping that names the field; then run connection check.",
    )
