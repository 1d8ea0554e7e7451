"""Everything that is wrong with the configuration of an installation, at once."""

from netra_core.configuration.cross_service import CrossServiceConfigValidator
from netra_core.configuration.errors import StoreError
from netra_core.configuration.factory import ConfigurationManagerFactory
from netra_core.configuration.findings import Finding, by_severity
from netra_core.configuration.manager import UnifiedConfigurationManager
from netra_core.configuration.open import open_configuration
from netra_core.configuration.schema import Severity
from netra_core.environment import Environment, IsolatedEnvironment


def check_configuration(
    env: IsolatedEnvironment, *, environment: Environment | None = None
) -> tuple[Finding, ...]:
    """What is wrong within and between services, most severe first; as if in `environment`.

    Makes and changes nothing.
    """
    overrides = {"deployment.environment": environment} if environment else {}
    found: list[Finding] = []
    try:
        manager = open_configuration(env, overrides=overrides, strict=False, read_only=True)
    except StoreError as error:
        found.append(
            Finding(
                rule="store_unreachable",
                severity=Severity.CRITICAL,
                key="deployment.config_url",
                reason=error.message,
                remedy=error.hint,
            )
        )
        manager = UnifiedConfigurationManager(env, overrides=overrides, strict=False)
    validator = CrossServiceConfigValidator(manager.core.keys)
    found += manager.validate()
    found += validator.validate_manager(ConfigurationManagerFactory(manager).get_service_manager)
    found += validator.shared_oauth_clients(env)
    known = {(f.rule, f.key, f.reason): f for f in found}
    return by_severity(known.values())
