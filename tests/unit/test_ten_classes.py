"""Each of the ten classes is found in its package, with the methods others rely on."""

from importlib import import_module

import pytest

OWNERS = {
    "netra_core.environment.IsolatedEnvironment": """
        get require set delete exists get_all get_all_with_prefix update get_variable_source
        get_changes_since_init protect unprotect is_protected isolated enable_isolation
        disable_isolation load_from_file get_subprocess_env environment get_debug_info
    """,
    "netra_core.configuration.UnifiedConfigurationManager": """
        get set delete exists keys explain reload history diff rollback backup restore validate
    """,
    "netra_core.registry.UniversalRegistry": """
        register register_factory get create_instance has __contains__ __len__ list_keys list_by_tag
        remove clear freeze add_validation_handler load_entry_points get_metrics validate_health
    """,
    "netra_core.websocket.UnifiedWebSocketManager": """
        add_connection remove_connection get_connection get_user_connections is_connection_active
        wait_for_connection send_to_user send_to_thread emit_critical_event broadcast resume
        get_stats get_connection_health shutdown
    """,
    "netra_core.state.UnifiedStateManager": "for_context changes_since add_listener shutdown",
    "netra_core.database.DatabaseURLBuilder": """
        build validate mask_url_for_logging get_safe_log_message debug_info normalize
        format_for_driver
    """,
    "netra_core.database.DatabaseSessionManager": "session health_check stats dispose",
    "netra_auth.database.AuthDatabaseManager": "url engine session health_check dispose",
    "netra_backend.agents.BaseAgent": "run execute shutdown health",
    "netra_backend.agents.AgentRegistry": "session close_session register_factory",
}
BESIDE_THEM = {
    "netra_core.configuration.ConfigurationManagerFactory": """
        get_global_manager get_user_manager get_service_manager get_manager get_manager_count
    """,
    "netra_core.configuration.CrossServiceConfigValidator": "validate drift deletion_impact",
    "netra_core.state.StateManagerFactory": """
        get_global_manager get_user_manager get_manager_count shutdown
    """,
    "netra_core.state.StateView": """
        get set update delete compare_and_set transaction query clear_scope history restore
        changes_since
    """,
    "netra_core.websocket.TaskSupervisor": "",
    "netra_core.testing.BaseIntegrationTest": "",
}


@pytest.mark.parametrize("place", OWNERS | BESIDE_THEM)
def test_a_class_is_exported_by_its_package_with_its_methods(place: str) -> None:
    package, _, name = place.rpartition(".")
    module = import_module(package)
    owner = getattr(module, name)
    assert name in getattr(module, "__all__", (name,))
    wanted = (OWNERS | BESIDE_THEM)[place].split()
    assert [method for method in wanted if not hasattr(owner, method)] == []


def test_there_are_ten() -> None:
    assert len(OWNERS) == 10
