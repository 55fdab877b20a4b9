"""The sales desk of a simulated org: what CPQ writes when a sales person quotes, amends, renews or ends."""
