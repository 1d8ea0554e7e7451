"""Verification, reset, change of password, sessions, erasure."""

from netra_auth.options import Registration
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import PASSWORD, Kit, account_of

NEW = "another horse battery staple"


async def test_an_account_signs_in_only_after_its_address_is_proven_with_the_password(
    start_auth: StartAuth,
) -> None:
    async with start_auth(registration=Registration.VERIFIED) as kit:
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert (await kit.http.post("/auth/register", json=body)).status_code == 202
        assert (await kit.http.post("/auth/login", json=body)).status_code == 401
        token = (await kit.letters("ada@example.com"))[-1].token
        wrong = {"token": token, "password": "not the password"}
        assert (await kit.http.post("/auth/email/verify", json=wrong)).status_code == 401
        assert (await kit.http.post("/auth/email/verify", json={"token": token})).status_code == 401
        right = {"token": token, "password": PASSWORD}
        assert (await kit.http.post("/auth/email/verify", json=right)).status_code == 204
        assert (await kit.http.post("/auth/email/verify", json=right)).status_code == 400
        signed_in = await kit.http.post("/auth/login", json=body)
        assert signed_in.json()["user"]["email_verified"] is True


async def test_somebody_elses_registration_is_worth_nothing_to_them_once_the_owner_resets(
    start_auth: StartAuth,
) -> None:
    """A stranger registers the owner's address in advance and hopes that the owner confirms it."""
    async with start_auth(registration=Registration.VERIFIED) as kit:
        squatter = {"email": "ada@example.com", "password": "the password of a squatter"}
        await kit.http.post("/auth/register", json=squatter)
        await kit.http.post("/auth/password/forgot", json={"email": "ada@example.com"})
        token = (await kit.letters("ada@example.com"))[-1].token
        reset = {"token": token, "password": NEW}
        assert (await kit.http.post("/auth/password/reset", json=reset)).status_code == 204
        assert (await kit.http.post("/auth/login", json=squatter)).status_code == 401
        owner = {"email": "ada@example.com", "password": NEW}
        assert (await kit.http.post("/auth/login", json=owner)).status_code == 200


async def test_a_signed_in_person_proves_the_address_with_the_link_alone(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    token = (await kit.letters("ada@example.com"))[-1].token
    eve = await kit.register("eve@example.com")
    stranger = await kit.http.post("/auth/email/verify", json={"token": token}, headers=eve.headers)
    assert stranger.status_code == 401
    answer = await kit.http.post(
        "/auth/email/verify", json={"token": token}, headers=account.headers
    )
    assert answer.status_code == 204
    assert (await kit.me(account)).json()["user"]["email_verified"] is True


async def test_a_new_verification_link_makes_the_old_one_useless(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    await kit.http.post("/auth/email/verification", headers=account.headers)
    old, new = (letter.token for letter in await kit.letters("ada@example.com"))
    for token, expected in ((old, 400), (new, 204)):
        answer = await kit.http.post(
            "/auth/email/verify", json={"token": token}, headers=account.headers
        )
        assert answer.status_code == expected


async def test_a_reset_link_works_once_within_the_hour_and_ends_every_session(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    await kit.http.post("/auth/password/forgot", json={"email": "ADA@example.com"})
    token = (await kit.letters("ada@example.com"))[-1].token
    body = {"token": token, "password": NEW}
    weak = await kit.http.post("/auth/password/reset", json={**body, "password": "password1"})
    assert weak.status_code == 422
    assert weak.json()["code"] == "AUTH-006"
    assert (await kit.http.post("/auth/password/reset", json=body)).status_code == 204
    assert (await kit.http.post("/auth/password/reset", json=body)).status_code == 400
    assert (await kit.me(account)).status_code == 401
    assert (await kit.refresh(account.refresh)).status_code == 401
    await kit.login("ada@example.com", NEW)
    assert (await kit.letters("ada@example.com"))[-1].subject == "Your password was changed"


async def test_a_reset_link_expires(kit: Kit) -> None:
    await kit.register("ada@example.com")
    await kit.http.post("/auth/password/forgot", json={"email": "ada@example.com"})
    token = (await kit.letters("ada@example.com"))[-1].token
    kit.clock.move(3600)
    answer = await kit.http.post("/auth/password/reset", json={"token": token, "password": NEW})
    assert answer.status_code == 400
    assert answer.json()["code"] == "AUTH-008"


async def test_a_token_for_one_purpose_is_useless_for_another(kit: Kit) -> None:
    await kit.register("ada@example.com")
    verify = (await kit.letters("ada@example.com"))[-1].token
    answer = await kit.http.post("/auth/password/reset", json={"token": verify, "password": NEW})
    assert answer.status_code == 400


async def test_mailed_secrets_stand_in_the_fragment_and_nowhere_in_the_database(
    start_auth: StartAuth, tmp_path
) -> None:
    async with start_auth(database=f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite") as kit:
        await kit.register("ada@example.com")
        letter = (await kit.letters("ada@example.com"))[-1]
        assert f"/verify#token={letter.token}" in letter.text
        for file in tmp_path.glob("auth.sqlite*"):
            assert letter.token.encode() not in file.read_bytes()


async def test_changing_the_password_needs_the_old_one_and_ends_the_other_sessions(
    kit: Kit,
) -> None:
    here = await kit.register("ada@example.com")
    there = await kit.login("ada@example.com")
    wrong = {"current": "not the password", "new": NEW}
    answer = await kit.http.post("/auth/password/change", json=wrong, headers=here.headers)
    assert answer.status_code == 401
    right = {"current": PASSWORD, "new": NEW}
    answer = await kit.http.post("/auth/password/change", json=right, headers=here.headers)
    assert answer.status_code == 204
    assert (await kit.me(here)).status_code == 200
    assert (await kit.me(there)).status_code == 401
    assert (await kit.refresh(there.refresh)).status_code == 401
    await kit.login("ada@example.com", NEW)


async def test_guessing_the_current_password_is_slowed_down(kit: Kit) -> None:
    here = await kit.register("ada@example.com")
    codes: list[int] = []
    for _ in range(8):
        wrong = {"current": "not the password", "new": NEW}
        answer = await kit.http.post("/auth/password/change", json=wrong, headers=here.headers)
        codes.append(answer.status_code)
    assert codes[-1] == 429


async def test_sessions_are_listed_and_ended_by_their_owner_alone(kit: Kit) -> None:
    here = await kit.register("ada@example.com")
    there = await kit.login("ada@example.com")
    eve = await kit.register("eve@example.com")
    listed = (await kit.http.get("/auth/sessions", headers=here.headers)).json()["items"]
    other = next(item["id"] for item in listed if not item["current"])
    path = f"/auth/sessions/{other}"
    assert (await kit.http.delete(path, headers=eve.headers)).status_code == 404
    assert (await kit.http.delete(path, headers=here.headers)).status_code == 204
    assert (await kit.http.delete(path, headers=here.headers)).status_code == 404
    assert (await kit.me(there)).status_code == 401
    assert (await kit.me(here)).status_code == 200


async def test_all_other_sessions_end_together(kit: Kit) -> None:
    here = await kit.register("ada@example.com")
    others = [await kit.login("ada@example.com") for _ in range(3)]
    answer = await kit.http.delete("/auth/sessions", headers=here.headers)
    assert answer.json() == {"ended": 3}
    assert [(await kit.me(other)).status_code for other in others] == [401] * 3
    assert (await kit.me(here)).status_code == 200


async def test_disabling_ends_everything_and_enabling_does_not_bring_it_back(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    await kit.parts.accounts.set_disabled(account.user_id, disabled=True, actor=None)
    assert (await kit.me(account)).status_code == 401
    assert (await kit.refresh(account.refresh)).status_code == 401
    kinds = [change["kind"] for change in (await kit.changes())["changes"]]
    assert kinds == ["user_disabled", "session_revoked"]
    await kit.http.post("/auth/password/forgot", json={"email": "ada@example.com"})
    assert all("new password" not in letter.subject for letter in await kit.letters())
    await kit.parts.accounts.set_disabled(account.user_id, disabled=False, actor=None)
    assert (await kit.me(account)).status_code == 401
    assert (await kit.me(await kit.login("ada@example.com"))).status_code == 200


async def test_an_erased_person_leaves_nothing_but_pseudonymous_events(
    start_auth: StartAuth, tmp_path
) -> None:
    async with start_auth(database=f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite") as kit:
        account = await kit.register("ada@example.com")
        erase = {"password": "not the password"}
        answer = await kit.http.post("/auth/me/erase", json=erase, headers=account.headers)
        assert answer.status_code == 401
        erase = {"password": PASSWORD}
        answer = await kit.http.post("/auth/me/erase", json=erase, headers=account.headers)
        assert answer.status_code == 204
        assert (await kit.me(account)).status_code == 401
        async with kit.parts.deps.database.session(read_only=True) as connection:
            assert await kit.parts.audit.verify(connection) is None
            names = await connection.run_sync(_rows_that_name, account.user_id, "ada@example.com")
        assert names == ["changes"]  # ids alone, gone with the feed's next hours
        again = await kit.register("ada@example.com")
        assert again.user_id != account.user_id


def _rows_that_name(session, *words: str) -> list[str]:
    from netra_auth.database.tables import metadata

    found: list[str] = []
    for table in metadata.sorted_tables:
        rows = session.connection().execute(table.select()).all()
        if any(word in str(row) for row in rows for word in words):
            found.append(table.name)
    return found


async def test_the_only_owner_of_a_shared_workspace_cannot_vanish(kit: Kit) -> None:
    owner = await kit.register("ada@example.com")
    await kit.join(owner, await kit.register("bob@example.com"), "viewer")
    answer = await kit.http.post(
        "/auth/me/erase", json={"password": PASSWORD}, headers=owner.headers
    )
    assert answer.status_code == 409
    assert (await kit.me(owner)).status_code == 200


async def test_an_invitation_lets_a_new_person_in_where_registration_is_closed_to_others(
    start_auth: StartAuth,
) -> None:
    announced: list[str] = []
    options = {"registration": Registration.INVITE, "production": True}
    async with start_auth(announced=announced, **options) as kit:
        token = announced[0].partition("#token=")[2]
        first = {"token": token, "email": "ada@example.com", "password": PASSWORD, "name": "Ada"}
        owner = account_of((await kit.http.post("/auth/setup", json=first)).json())
        refused = await kit.http.post(
            "/auth/register", json={"email": "bob@example.com", "password": NEW}
        )
        assert refused.status_code == 403
        invited = await kit.http.post(
            f"/auth/workspaces/{owner.workspace_id}/invitations",
            json={"email": "Bob@example.com", "role": "analyst"},
            headers=owner.headers,
        )
        assert invited.status_code == 201
        invitation = (await kit.letters("bob@example.com"))[-1].token
        body = {"email": "eve@example.com", "password": NEW, "invitation": invitation}
        assert (await kit.http.post("/auth/register", json=body)).status_code == 422
        body["email"] = "bob@example.com"
        joined = await kit.http.post("/auth/register", json=body)
        assert joined.status_code == 201
        assert joined.json()["workspace"] == {
            "id": owner.workspace_id,
            "name": "Ada's workspace",
            "role": "analyst",
        }
        assert joined.json()["user"]["email_verified"] is True


async def test_production_starts_with_a_one_time_setup_link_and_no_account(
    start_auth: StartAuth, tmp_path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite"
    announced: list[str] = []
    async with start_auth(database=url, announced=announced, production=True):
        pass
    async with start_auth(database=url, announced=announced, production=True) as kit:
        old, new = (line.partition("#token=")[2] for line in announced)
        body = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada"}
        assert (await kit.http.post("/auth/setup", json={**body, "token": old})).status_code == 400
        assert (await kit.http.post("/auth/setup", json={**body, "token": new})).status_code == 201
        assert (await kit.http.post("/auth/setup", json={**body, "token": new})).status_code == 400
    async with start_auth(database=url, announced=announced, production=True):
        assert len(announced) == 2


async def test_development_announces_nothing(start_auth: StartAuth) -> None:
    announced: list[str] = []
    async with start_auth(announced=announced):
        assert announced == []
