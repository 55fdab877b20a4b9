"""How an account collects: the settings of its dashboard that no API call shows.

Source: docs.stripe.com/billing/revenue-recovery/smart-retries and docs.stripe.com/billing/automations, stored
copies of 2026.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """A custom retry schedule, what follows its last failure, and when reminders go out.

    Attributes:
        retry_after_days: days from each failed charge to the next try; after as many failures as there are
            numbers plus one the invoice is given up.
        subscription_after_retries: what becomes of the subscription then.
        invoice_after_retries: what becomes of the invoice then.
        notice_before_due_days: when `invoice.will_be_due` is told ahead of a due date; never when None.
        notice_before_renewal_days: when `invoice.upcoming` is told ahead of a renewal; never when None.
        limits_churn: whether the documented limits on new invoices and quantity updates of one subscription
            answer 429.
    """

    retry_after_days: tuple[int, ...] = (3, 5, 7)
    subscription_after_retries: Literal["cancel", "unpaid", "past_due"] = "past_due"
    invoice_after_retries: Literal["open", "uncollectible"] = "open"
    notice_before_due_days: int | None = None
    notice_before_renewal_days: int | None = None
    limits_churn: bool = False
