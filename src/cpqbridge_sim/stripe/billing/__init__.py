"""The billing engine: schedules, periods, prorations, discounts and invoices over simulated time."""
