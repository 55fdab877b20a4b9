"""The currencies of the vendor (docs.stripe.com/currencies)."""

from cpqbridge_sim.stripe.errors import invalid

THREE_DECIMAL_CURRENCIES = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_TWO_OR_NO_DECIMALS = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp "
    "cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr "
    "ils inr isk jmd jpy kes kgs khr kmf krw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr "
    "mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek "
    "sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof "
    "xpf yer zar zmw"  # codespell:ignore zar
)
CURRENCIES = THREE_DECIMAL_CURRENCIES | frozenset(_TWO_OR_NO_DECIMALS.split())


def checked_currency(value: object, *, param: str) -> str:
    """A known currency in lower case.

    Raises:
        StripeApiError: when the vendor does not know it.
    """
    currency = str(value).lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {value}.", param)
    return currency
