"""`sanity`: what is wrong with the fleet, and what of it can be put right safely."""
