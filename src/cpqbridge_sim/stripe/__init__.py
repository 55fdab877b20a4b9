"""A simulated Stripe account."""
