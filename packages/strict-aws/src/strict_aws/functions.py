"""AWS Lambda: a function's description has its logging configuration, which moto drops."""

from typing import Any

from moto.awslambda.models import LambdaFunction


def patch() -> None:
    """Keep the logging configuration of functions, with AWS's defaults."""
    create, update = LambdaFunction.__init__, LambdaFunction.update_configuration
    describe = LambdaFunction.get_configuration

    def init(self: LambdaFunction, account_id: str, spec: dict[str, Any], *given: Any, **named: Any) -> None:
        create(self, account_id, spec, *given, **named)
        self.logging = spec.get("LoggingConfig") or {}  # type: ignore[attr-defined]

    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        if "LoggingConfig" in config_updates:
            self.logging = config_updates["LoggingConfig"]  # type: ignore[attr-defined]
        return update(self, config_updates)

    def get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        defaults = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}
        logging = self.logging  # type: ignore[attr-defined]
        return {**describe(self, on_create), "LoggingConfig": {**defaults, **logging}}

    LambdaFunction.__init__ = init  # type: ignore[method-assign]
    LambdaFunction.update_configuration = update_configuration  # type: ignore[method-assign]
    LambdaFunction.get_configuration = get_configuration  # type: ignore[method-assign]
