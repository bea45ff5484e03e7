"""What every room shares: machine, clock, ids, errors."""
