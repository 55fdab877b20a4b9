"""Salesforce record ids: fifteen characters counted up, and the three of the checksum."""

from typing import Final

_CHECKSUM_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_COUNTER_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHORT_LENGTH: Final = 15
_LONG_LENGTH: Final = 18
_INSTANCE: Final = "Qy0"

KEY_PREFIXES: Final[dict[str, str]] = {
    "Account": "001",
    "Organization": "00D",
    "Contact": "003",
    "Opportunity": "006",
    "Pricebook2": "01s",
    "Product2": "01t",
    "PricebookEntry": "01u",
    "Contract": "800",
    "Order": "801",
    "OrderItem": "802",
    "ConsumptionSchedule": "0o1",
    "ConsumptionRate": "0o2",
    "ProductConsumptionSchedule": "0o3",
    # Prefixes of packaged and custom objects differ per org; these are this org's own.
    "SBQQ__Quote__c": "a0z",
    "SBQQ__QuoteLine__c": "a0w",
    "SBQQ__Subscription__c": "a18",
    "SBQQ__Dimension__c": "a0i",
    "SBQQ__BlockPrice__c": "a06",
    "SBQQ__OrderItemConsumptionSchedule__c": "a0n",
    "SBQQ__OrderItemConsumptionRate__c": "a0m",
    "Quote_Stripe_Coupon__c": "a2C",
    "Quote_Stripe_Coupon_Association__c": "a2D",
    "Quote_Line_Stripe_Coupon_Association__c": "a2E",
    "Order_Stripe_Coupon__c": "a2F",
    "Order_Stripe_Coupon_Association__c": "a2G",
    "Order_Item_Stripe_Coupon_Association__c": "a2H",
}


def checksum(short_id: str) -> str:
    """Return the three characters that make a 15-character id safe where case is lost.

    Each group of five characters gives five bits, the first character the lowest one; a bit is set for A-Z.

    Raises:
        ValueError: the id does not have 15 letters and digits.
    """
    if len(short_id) != _SHORT_LENGTH or any(character not in _COUNTER_ALPHABET for character in short_id):
        raise ValueError(f"A Salesforce id has 15 letters and digits, not {short_id!r}.")
    groups = (short_id[begin : begin + 5] for begin in range(0, _SHORT_LENGTH, 5))
    return "".join(
        _CHECKSUM_ALPHABET[sum(1 << bit for bit, character in enumerate(group) if "A" <= character <= "Z")]
        for group in groups
    )


def long_id(record_id: str) -> str:
    """Return the 18-character form of a 15- or 18-character id.

    Raises:
        ValueError: the length is wrong, a character is not allowed, or the checksum does not fit.
    """
    if len(record_id) not in {_SHORT_LENGTH, _LONG_LENGTH}:
        raise ValueError(f"A Salesforce id has 15 or 18 characters, {record_id!r} has {len(record_id)}.")
    result = record_id[:_SHORT_LENGTH] + checksum(record_id[:_SHORT_LENGTH])
    if len(record_id) == _LONG_LENGTH and record_id != result:
        raise ValueError(f"The checksum of {record_id!r} is wrong: expected {result!r}.")
    return result


class RecordIds:
    """Hands out 18-character ids, one counter per object, no chance involved."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, sobject: str) -> str:
        """Return the next id of this object, in ascending order of the platform's own alphabet."""
        number = self._last.get(sobject, 0) + 1
        self._last[sobject] = number
        digits = ""
        while number:
            number, digit = divmod(number, len(_COUNTER_ALPHABET))
            digits = _COUNTER_ALPHABET[digit] + digits
        return long_id(f"{KEY_PREFIXES[sobject]}{_INSTANCE}{digits:0>9}")
