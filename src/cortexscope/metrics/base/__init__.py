"""What metrics inherit from, and what measures, checks and describes them."""
