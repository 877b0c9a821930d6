"""What a request costs: the service beside a hand-written endpoint, in one run on one database."""
