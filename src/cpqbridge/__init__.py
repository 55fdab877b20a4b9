"""cpqbridge: activated Salesforce CPQ orders become Stripe Billing, exact to the cent."""

__version__ = "0.1.0"
