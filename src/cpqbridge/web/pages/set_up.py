"""The steps of a set-up that connect the two sides, and the button that leads from step to step."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.store.users import Role
from cpqbridge.sync.key_rights import NEEDED
from cpqbridge.sync.setup import Environment, SetUp
from cpqbridge.sync.setup_progress import SetupProgress, Step
from cpqbridge.sync.setup_salesforce import AppGiven, SetupSalesforce
from cpqbridge.sync.setup_stripe import SetupStripe, StripeGiven
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.set_up_frame import connection_address, setup_address, setup_frame
from cpqbridge.web.site import Site

CALLBACK_PATH = "/salesforce/callback"
_ENVIRONMENTS = (
    (Environment.PRODUCTION, "Production or Developer Edition", "People sign in at login.salesforce.com."),
    (Environment.SANDBOX, "Sandbox", "People sign in at test.salesforce.com."),
    (Environment.MY_DOMAIN, "My Domain", "The org has an address of its own and may insist on it."),
)


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/setup", role=Role.ADMIN)
    def resume(ask: Ask) -> Redirect:
        progress = SetupProgress(ask.service).of(ask.path["name"])
        step = progress.next_step
        return Redirect(
            connection_address(progress.name) if step is None else setup_address(progress.name, step)
        )

    @site.post("/connections/{name}/setup/{step}/done", role=Role.ADMIN)
    def pass_step(ask: Ask) -> Redirect:
        name, step = ask.path["name"], _step(ask.path["step"])
        SetupProgress(ask.service).pass_step(name, step)
        steps = list(Step)
        following = steps[min(steps.index(step) + 1, len(steps) - 1)]
        return Redirect(setup_address(name, following))

    @site.post("/connections/{name}/setup/discard", role=Role.ADMIN)
    def discard(ask: Ask) -> Redirect:
        _set_up(ask).discard(ask.path["name"])
        return Redirect("/connections", notice=f"The set-up {ask.path['name']} was given up.")

    @site.get("/connections/{name}/setup/salesforce", role=Role.ADMIN)
    def salesforce(ask: Ask) -> Page:
        return _salesforce_page(ask)

    @site.post("/connections/{name}/setup/salesforce", role=Role.ADMIN)
    def begin_sign_in(ask: Ask) -> Page:
        form = ask.form
        given = AppGiven(
            environment=form.text("environment"),
            my_domain=form.text("salesforce_url"),
            client_id=form.text("client_id"),
            client_secret=form.text("client_secret"),
        )
        try:
            address = _sign_in(ask).authorize(
                ask.path["name"], given, user_id=_user_id(ask), redirect_url=_callback(ask)
            )
        except ConfigurationError as error:
            return _salesforce_page(ask, error=error)
        return Page("setup_continue.html", {"frame": setup_frame(ask, Step.SALESFORCE), "address": address})

    @site.get("/connections/{name}/setup/salesforce/app.zip", role=Role.ADMIN)
    def app_package(ask: Ask) -> Response:
        return Response(
            _set_up(ask).app_package(callback_url=_callback(ask)),
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="cpqbridge-salesforce.zip"'},
        )

    @site.get(CALLBACK_PATH, role=Role.ADMIN)
    def callback(ask: Ask) -> Page | Redirect:
        return _returned(ask)

    @site.get("/connections/{name}/setup/stripe", role=Role.ADMIN)
    def stripe(ask: Ask) -> Page | Redirect:
        progress = SetupProgress(ask.service).of(ask.path["name"])
        if not progress.is_open(Step.STRIPE):
            return Redirect(setup_address(progress.name, Step.SALESFORCE), notice="Connect Salesforce first.")
        return _stripe_page(ask)

    @site.post("/connections/{name}/setup/stripe", role=Role.ADMIN)
    def give_key(ask: Ask) -> Page | Redirect:
        return _key_given(ask)


def _returned(ask: Ask) -> Page | Redirect:
    """Take somebody back from Salesforce: the state is theirs, is used once, and stands for no other page."""
    step = _sign_in(ask)
    back = step.returned(ask.query.text("state"), user_id=_user_id(ask))
    try:
        if "error" in ask.query:
            raise step.refused(ask.query.text("error"), ask.query.text("error_description"))
        is_connected = step.finish(back, ask.query.text("code"))
    except CpqbridgeError as error:
        return _salesforce_page(ask, name=back.name, error=error)
    if is_connected:
        return Redirect(
            connection_address(back.name), notice="Signed in to Salesforce again; both sides answer."
        )
    return Redirect(setup_address(back.name, Step.STRIPE), notice="Signed in to Salesforce.")


def _key_given(ask: Ask) -> Page | Redirect:
    name, form = ask.path["name"], ask.form
    step = SetupStripe(ask.service, ask.site.demo.simulated)
    try:
        if SetupProgress(ask.service).of(name).connection is not None:
            step.reconnect(name, form.text("stripe_key"))
            return Redirect(connection_address(name), notice="The key was changed; both sides answer.")
        connection = step.connect(
            name,
            StripeGiven(
                stripe_key=form.text("stripe_key"),
                currency=form.text("currency"),
                is_live_meant=form.text("is_live_meant") == "yes",
                is_simulated=form.text("account") == "simulated",
            ),
        )
    except CpqbridgeError as error:
        return _stripe_page(ask, error=error)
    facts = connection.facts
    return Redirect(
        setup_address(name, Step.FIELDS),
        notice=f"Connected: {facts.org_name} to {facts.stripe_account_name}. Nothing is synced yet.",
    )


def _salesforce_page(ask: Ask, *, name: str = "", error: CpqbridgeError | None = None) -> Page:
    name = name or ask.path["name"]
    state = _set_up(ask).state(name)
    form, simulated = ask.form, ask.site.demo.simulated
    typed = {
        "environment": form.text("environment") or state.environment.value,
        "salesforce_url": form.text("salesforce_url")
        or (state.sign_in_url if state.environment is Environment.MY_DOMAIN else ""),
        "client_id": form.text("client_id") or state.client_id,
    }
    choices = [*_ENVIRONMENTS]
    if simulated.salesforce_url:
        choices.append((Environment.SIMULATED, "Simulated org", f"The one at {simulated.salesforce_url}."))
    return Page(
        "setup_salesforce.html",
        {
            "frame": setup_frame(ask, Step.SALESFORCE, name=name),
            "state": state,
            "typed": typed,
            "environments": choices,
            "callback": _callback(ask),
            "simulated": simulated,
            "error": error,
        },
        status=HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _stripe_page(ask: Ask, *, error: CpqbridgeError | None = None) -> Page:
    state = _set_up(ask).state(ask.path["name"])
    form, simulated = ask.form, ask.site.demo.simulated
    return Page(
        "setup_stripe.html",
        {
            "frame": setup_frame(ask, Step.STRIPE),
            "state": state,
            "typed": {
                "currency": form.text("currency"),
                "account": form.text("account") or ("simulated" if simulated.stripe_url else "stripe"),
            },
            "simulated": simulated,
            "error": error,
            "rights": NEEDED,
            "asks_live": error is not None and error.field == "is_live_meant",
        },
        status=HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _set_up(ask: Ask) -> SetUp:
    return SetUp(ask.service, ask.site.demo.simulated)


def _sign_in(ask: Ask) -> SetupSalesforce:
    return SetupSalesforce(ask.service, ask.site.demo.simulated)


def _callback(ask: Ask) -> str:
    return f"{ask.origin}{CALLBACK_PATH}"


def _user_id(ask: Ask) -> int:
    # Every page here is for admins, so somebody is signed in.
    return ask.user.user_id if ask.user is not None else 0


def _step(text: str) -> Step:
    try:
        return Step(text)
    except ValueError:
        raise ConfigurationError(
            f"A set-up has no step {text!r}.",
            code="setup_step",
            fix="Go back to the connection's page and choose a step there.",
        ) from None
