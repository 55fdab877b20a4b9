"""Plain values of the field: ids, money, dates, orders, catalog, billing. No I/O, no clock."""
