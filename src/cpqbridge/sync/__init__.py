"""Use cases: what the connector does, step by step, durably."""
