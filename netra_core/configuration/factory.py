"""Managers for users, services, workspaces and agents over one shared configuration."""

import threading
from collections import Counter, OrderedDict
from typing import Final

from netra_core.configuration.manager import UnifiedConfigurationManager
from netra_core.configuration.schema import Scope
from netra_core.configuration.scopes import GLOBAL, Chain, chain_of

MAX_MANAGERS: Final = 1000


class ConfigurationManagerFactory:
    """Hands out one manager for each scope; those unused longest are let go beyond `max_managers`.

    A manager that is let go loses nothing: what was set lives in the shared configuration, and one
    that somebody still holds keeps working.
    """

    def __init__(
        self, base: UnifiedConfigurationManager, *, max_managers: int = MAX_MANAGERS
    ) -> None:
        if max_managers < 1:
            raise ValueError("max_managers must be at least 1")
        self._base = base
        self._max = max_managers
        self._lock = threading.Lock()
        self._managers: OrderedDict[Chain, UnifiedConfigurationManager] = OrderedDict()

    def get_global_manager(self) -> UnifiedConfigurationManager:
        """The manager for everybody."""
        return self._base

    def get_user_manager(
        self, user_id: str, workspace_id: str | None = None
    ) -> UnifiedConfigurationManager:
        """The manager of one user, in a workspace where one is named.

        Raises:
            ScopeError: an id is none.
        """
        return self._get(chain_of(workspace=workspace_id, user=user_id))

    def get_service_manager(self, service: str) -> UnifiedConfigurationManager:
        """The manager of one service."""
        return self._get(chain_of(service=service))

    def get_workspace_manager(self, workspace_id: str) -> UnifiedConfigurationManager:
        """The manager of one workspace."""
        return self._get(chain_of(workspace=workspace_id))

    def get_agent_manager(
        self, agent: str, *, user_id: str | None = None, workspace_id: str | None = None
    ) -> UnifiedConfigurationManager:
        """The manager of one agent, working for a user and in a workspace where they are named."""
        return self._get(chain_of(workspace=workspace_id, user=user_id, agent=agent))

    def get_manager(
        self,
        user_id: str | None = None,
        service: str | None = None,
        *,
        workspace_id: str | None = None,
        agent: str | None = None,
    ) -> UnifiedConfigurationManager:
        """The manager of whoever is named, by the narrowest of them; everybody's when nobody is."""
        return self._get(
            chain_of(service=service, workspace=workspace_id, user=user_id, agent=agent)
        )

    def get_manager_count(self) -> dict[str, int]:
        """How many managers are held for each scope, and in `total`; the global one counts."""
        with self._lock:
            counted = Counter(str(chain[-1].scope) for chain in self._managers)
        counted[str(Scope.GLOBAL)] = 1
        return {**{str(scope): counted[str(scope)] for scope in Scope}, "total": counted.total()}

    def clear(self) -> None:
        """Lets every manager but the global one go."""
        with self._lock:
            self._managers.clear()

    def _get(self, chain: Chain) -> UnifiedConfigurationManager:
        if chain == (GLOBAL,):
            return self._base
        with self._lock:
            manager = self._managers.get(chain)
            if manager is None:
                manager = UnifiedConfigurationManager.for_scope(self._base.core, chain)
                self._managers[chain] = manager
                while len(self._managers) > self._max:
                    self._managers.popitem(last=False)
            else:
                self._managers.move_to_end(chain)
            return manager
