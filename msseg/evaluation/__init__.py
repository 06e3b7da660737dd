"""From files to scores: which prediction belongs to which truth, what a case and what a cohort score."""
