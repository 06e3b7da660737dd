"""A phantom of multiple sclerosis in the brain: anatomy, lesions and what four MRI sequences show of them."""

from msseg.volumes.phantom.cohort import small_case, write_cohort, write_small_cohort

__all__ = ["small_case", "write_cohort", "write_small_cohort"]
