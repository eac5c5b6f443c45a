"""What runs cost: the bill of a run from its record, and the estimate of a run that has not begun."""
