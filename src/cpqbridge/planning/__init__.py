"""The pure core: an order history and what Stripe holds become a plan, its invoices and its proof."""
