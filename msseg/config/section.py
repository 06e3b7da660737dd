"""The base of all configuration sections, and value types that several of them have."""

from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

Text = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0)]
AxisSize = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """One block of an experiment file. Unknown keys and wrong types are refused; values cannot change once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class ByName:
    """Marks a choice of sections: a bare name stands for the section of that name with its defaults (`loss: dice`)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Put the name in its section before anything is validated."""
        return core_schema.no_info_before_validator_function(_named_section, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Either a name or a section."""
        sections = handler(schema)
        return {"anyOf": [{"enum": list(sections["discriminator"]["mapping"]), "type": "string"}, sections]}


@dataclass(frozen=True)
class OrWord:
    """Marks `list of numbers | Literal[word]`: a list in whose place a word may stand (`spacing: median`).

    A plain union would answer a wrong number with a complaint about each of its members.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The word as it is, anything else as the list."""
        numbers, literal = get_args(source)
        (word,) = get_args(literal)

        def validate(value: object, as_list: core_schema.ValidatorFunctionWrapHandler) -> object:
            if not isinstance(value, str):
                return as_list(_with_tuples(value))
            if value != word:
                raise ValueError(f"is '{value}'; give a list of numbers, or {word}")
            return value

        return core_schema.no_info_wrap_validator_function(
            validate,
            handler.generate_schema(numbers),
            metadata={"word": word},
            serialization=core_schema.plain_serializer_function_ser_schema(_serialised, info_arg=True),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Either the word or the list."""
        inner = cast(core_schema.WrapValidatorFunctionSchema, schema)
        return {"anyOf": [handler(inner["schema"]), {"const": inner["metadata"]["word"], "type": "string"}]}


def _serialised(value: object, info: core_schema.SerializationInfo) -> object:
    """Tuples, which are lists in JSON."""
    if info.mode != "json" or not isinstance(value, tuple):
        return value
    return [_serialised(item, info) for item in value]


def _named_section(value: object) -> object:
    return {"name": value} if isinstance(value, str) else _with_tuples(value)


def _with_tuples(value: object) -> object:
    """Lists as tuples: a validator in Python ends pydantic's JSON mode, in which a list may stand for a tuple."""
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value
