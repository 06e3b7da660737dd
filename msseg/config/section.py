"""The base of all configuration sections: strict, frozen, nothing unknown accepted."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One block of an experiment file. Unknown keys and wrong types are refused; values cannot change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
