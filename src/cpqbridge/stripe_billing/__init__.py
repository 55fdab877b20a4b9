"""One Stripe account over its API."""
