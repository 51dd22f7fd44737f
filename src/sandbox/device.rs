//! The device authorization endpoint, and what the user enters on its page
//! (RFC 8628, in Yandex's dialect).

use serde_json::json;

use super::authorize::{finish, wait};
use super::form::Form;
use super::parameters::Parameters;
use super::state::{DEVICE_LIFETIME, DeviceCode, Goal, Pending, State};
use super::{Consent, Refusal, pages};
use crate::http::{Request, Response};
use crate::random;

/// `POST /device/code`. The client's ID is enough.
pub fn issue(request: &Request, state: &mut State) -> Result<Response, Refusal> {
    let form = Form::of(request, state)?;
    form.fields.check_device()?;
    let access = state.options.access(&form.fields);
    let access = access.map_err(|why| ("invalid_scope", why))?;
    let code = DeviceCode {
        device_code: random::hex(),
        user_code: random::hex()[..8].to_owned(),
        answer: state.consent(&access),
        access,
    };
    let unless_given = if state.options.consent == Consent::Ask {
        5
    } else {
        1
    };
    let answer = json!({
        "device_code": code.device_code,
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": state.options.device_interval.unwrap_or(unless_given),
        "user_code": code.user_code,
        "verification_url": format!("{}/device", state.origin),
    });
    state.devices.add(code, state.now);
    Ok(Response::json(200, &answer))
}

/// `POST /device`: the user's answer. Where there are scopes to untick, allowing
/// leads to the page that has them.
pub fn enter(request: &Request, state: &mut State) -> Response {
    let Ok(form) = Parameters::of_form(request) else {
        return pages::device(request, Some(""));
    };
    let entered = form.get("code").unwrap_or_default();
    let entered = entered.trim().to_ascii_lowercase();
    let Some(code) = state.waiting(&entered) else {
        return pages::device(request, Some(&entered));
    };
    let access = code.access.clone();
    let goal = Goal::Device(entered);
    if form.get("decision") != Some("allow") {
        return finish(request, state, goal, None);
    }
    if access.optional.is_empty() {
        let granted = access.grant(|_| true);
        return finish(request, state, goal, granted);
    }
    let pending = Pending { goal, access };
    wait(request, state, pending, &form)
}
