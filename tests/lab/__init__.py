"""Parts of the lab: real engines and what tests need around them."""
