"""The base of every section of the stack configuration and the types that several of them share.

Sections are frozen pydantic models that refuse unknown keys. Names, units and meaning are those of `az
ml` wherever `az ml` has the key. Checks that need more than one section live in `settings.checks`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema


class Section(BaseModel):
    """A mapping of the stack file.

    `read_only` and `refused` say why a key that `az ml` prints, or that belongs to something else, is not
    taken; `example` is a small valid value: what stands in for a broken section while the rest of the
    file is checked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, protected_namespaces=())

    read_only: ClassVar[Mapping[str, str]] = {}
    refused: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _drop_schema(cls, value: Any) -> Any:
        """A pasted `az ml` body may keep its `$schema`; it says nothing about the stack."""
        if isinstance(value, Mapping) and "$schema" in value:
            return {k: v for k, v in value.items() if k != "$schema"}
        return value


class Asset(Section):
    """A section that is registered in Azure ML: a model or an environment.

    `anonymous` is whether the file gave it no name. It stays true of a copy that a component gives a name to,
    because that is what az ml's `isAnonymous` means: the name was made up by a program.
    """

    _anonymous: bool = PrivateAttr(default=False)

    def model_post_init(self, context: Any, /) -> None:
        self._anonymous = getattr(self, "name", None) is None

    @property
    def anonymous(self) -> bool:
        return self._anonymous


def setting(
    default: Any = None,
    description: str = "",
    *,
    unit: str | None = None,
    azure: str | None = None,
    **kwargs: Any,
) -> Any:
    """A field with what the reference page needs: description, unit, and what Azure does (its own default,
    say).
    """
    extra: dict[str, Any] = {k: v for k, v in (("x-unit", unit), ("x-azure", azure)) if v}
    factory = default if default is dict or default is list else None
    if factory is not None:
        return Field(default_factory=factory, description=description, json_schema_extra=extra, **kwargs)
    return Field(default=default, description=description, json_schema_extra=extra, **kwargs)


def wrong(reason: str, fix: str, kind: str = "value") -> PydanticCustomError:
    """The error a validator raises; `settings.messages` turns it into a Problem without rewording."""
    return PydanticCustomError(kind, "{reason} {fix}", {"reason": reason, "fix": fix})


def snake(text: str) -> str:
    """`AADToken`, `SystemAssigned`, `system_assigned` -> one spelling, as az ml's own enums do."""
    text = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", text.strip())
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()


class Choice:
    """Take an enumeration in any casing that az ml takes and keep its canonical spelling."""

    def __init__(self, *canonical: str, also: tuple[str, ...] = ()) -> None:
        self.table = {key: name for name in canonical for key in (name.lower(), snake(name))}
        self.spellings = list(dict.fromkeys([*canonical, *(snake(name) for name in canonical), *also]))

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._pick, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": self.spellings, "type": "string"}

    def _pick(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return self.table.get(value.lower()) or self.table.get(snake(value)) or value


PublicAccess = Annotated[Literal["Enabled", "Disabled"], Choice("Enabled", "Disabled")]
AuthMode = Annotated[
    Literal["key", "aml_token", "aad_token"],
    Choice("key", "aml_token", "aad_token", also=("Key", "AMLToken", "AADToken")),
]
IdentityType = Annotated[
    Literal["SystemAssigned", "UserAssigned", "None"], Choice("SystemAssigned", "UserAssigned", "None")
]
WorkspaceIdentityType = Annotated[
    Literal["SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"],
    Choice("SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"),
]
IsolationMode = Annotated[
    Literal["Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"],
    Choice("Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"),
]
ModelType = Annotated[
    Literal["custom_model", "mlflow_model", "triton_model"],
    Choice("custom_model", "mlflow_model", "triton_model"),
]
ServerSideCopy = Annotated[Literal["auto", "trust", "never"], Choice("auto", "trust", "never")]
CopyAuthentication = Annotated[Literal["identity", "datastore"], Choice("identity", "datastore")]
OsType = Annotated[Literal["Linux", "Windows"], Choice("Linux", "Windows")]
RollingRate = Annotated[Literal["Minute", "Hour", "Day"], Choice("Minute", "Hour", "Day")]
LockLevel = Annotated[Literal["CanNotDelete", "ReadOnly"], Choice("CanNotDelete", "ReadOnly")]
DatastoresAuth = Annotated[
    Literal["AccessKey", "Identity", "UserDelegationSAS"],
    Choice("AccessKey", "Identity", "UserDelegationSAS"),
]


def _whole(value: Any) -> Any:
    """YAML's `true` is a number to Python; in a count or a duration it is a mistake."""
    if isinstance(value, bool):
        raise wrong(
            f"{str(value).lower()} is not a whole number.", "Write digits, for example 1.", "int_type"
        )
    return value


def _version(value: Any) -> Any:
    """az ml takes `version: 1` and `version: "1"` alike and sends text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _texts(value: Any) -> Any:
    """Tags and environment variables are text in Azure; a number is written as its digits, a truth value is
    ambiguous.
    """
    if not isinstance(value, Mapping):
        return value
    out: dict[Any, Any] = {}
    for key, item in value.items():
        plain = isinstance(item, int | float) and not isinstance(item, bool)
        out[str(key) if isinstance(key, int | float) else key] = str(item) if plain else item
    return out


Flag = Annotated[bool, WithJsonSchema({"enum": [True, False, "true", "false", "True", "False"]})]
Int = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Int, Field(ge=1)]
Version = Annotated[
    str, BeforeValidator(_version), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})
]
Texts = Annotated[
    dict[str, str],
    BeforeValidator(_texts),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number"]}}),
]
Cidr = Annotated[str, Field(examples=["10.20.0.0/16"])]
