// Runs the grants of the sandbox with OAuth libraries that others wrote.
//
// Started by `yandex-token sandbox -- node clients.mjs`: the server's address
// and the application are in the environment, and every consent is given.

import assert from "node:assert/strict";

import { OAuth2RequestError, Yandex } from "arctic";
import * as openid from "openid-client";
import { Strategy as YandexStrategy } from "passport-yandex";

const { YANDEX_OAUTH_URL: origin, YANDEX_CLIENT_ID: id, YANDEX_CLIENT_SECRET: secret } = process.env;
const redirectUri = "http://127.0.0.1:8000/callback";

async function redirected(url) {
  const answer = await fetch(url, { redirect: "manual" });
  assert.equal(answer.status, 302);
  return new URL(answer.headers.get("Location"));
}

// arctic has Yandex's addresses built in: they are turned to the sandbox, and
// nothing else of it is touched.
async function arcticRunsTheCodeGrant() {
  const real = globalThis.fetch;
  const turned = (url) => String(url).replace("https://oauth.yandex.com", origin);
  globalThis.fetch = (input, init) =>
    input instanceof Request
      ? real(new Request(turned(input.url), input))
      : real(turned(input), init);
  try {
    const yandex = new Yandex(id, secret, redirectUri);
    const url = yandex.createAuthorizationURL("a state", ["login:info", "login:email"]);
    const answer = await redirected(url);
    assert.equal(answer.searchParams.get("state"), "a state");
    const code = answer.searchParams.get("code");
    const tokens = await yandex.validateAuthorizationCode(code);
    assert.equal(tokens.hasScopes(), false);
    const fresh = await yandex.refreshAccessToken(tokens.refreshToken());
    assert.equal(fresh.accessToken(), tokens.accessToken());
    assert.notEqual(fresh.refreshToken(), tokens.refreshToken());
    await assert.rejects(
      yandex.validateAuthorizationCode(code),
      (error) => error instanceof OAuth2RequestError && error.code === "invalid_grant",
    );
  } finally {
    globalThis.fetch = real;
  }
}

function configured(authentication) {
  const server = {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    userinfo_endpoint: `${origin}/info`,
    device_authorization_endpoint: `${origin}/device/code`,
  };
  const config = new openid.Configuration(server, id, {}, authentication);
  openid.allowInsecureRequests(config);
  return config;
}

async function openidClientRunsTheCodeGrantWithPkce() {
  for (const [authentication, isConfidential] of [
    [openid.ClientSecretPost(secret), true],
    [openid.ClientSecretBasic(secret), true],
    [openid.None(), false],
  ]) {
    const config = configured(authentication);
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const expectedState = openid.randomState();
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: "login:info",
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      state: expectedState,
    });
    const answer = await redirected(url);
    const checks = { pkceCodeVerifier, expectedState };
    const tokens = await openid.authorizationCodeGrant(config, answer, checks);
    assert.equal(tokens.token_type, "bearer");
    const info = await openid.fetchProtectedResource(
      config,
      tokens.access_token,
      new URL(`${origin}/info?format=json`),
      "GET",
    );
    assert.equal((await info.json()).first_name, "Sandbox");
    const refresh = openid.refreshTokenGrant(config, tokens.refresh_token);
    if (isConfidential) {
      assert.notEqual((await refresh).refresh_token, tokens.refresh_token);
    } else {
      await assert.rejects(refresh, (error) => error.error === "invalid_client");
    }
  }
}

// Generic device libraries fail at Yandex, since it speaks a dialect: so they
// must here.
async function openidClientCannotPollForADevice() {
  const config = configured(openid.ClientSecretPost(secret));
  await assert.rejects(openid.initiateDeviceAuthorization(config, { scope: "login:info" }));
}

// It sends the token in the query, which Yandex takes and advises against.
async function passportYandexLogsIn() {
  const strategy = new YandexStrategy(
    {
      clientID: id,
      clientSecret: secret,
      callbackURL: redirectUri,
      authorizationURL: `${origin}/authorize`,
      tokenURL: `${origin}/token`,
      scope: ["login:info", "login:email"],
    },
    (accessToken, refreshToken, profile, done) => done(null, { ...profile, refreshToken }),
  );
  const get = strategy._oauth2.get;
  strategy._oauth2.get = (url, ...rest) =>
    get.call(strategy._oauth2, url.replace("https://login.yandex.ru", origin), ...rest);
  const authenticate = (query) =>
    new Promise((resolve, reject) => {
      const outcomes = { redirect: resolve, success: resolve, fail: reject, error: reject };
      Object.assign(Object.create(strategy), outcomes).authenticate({ query, headers: {} }, {});
    });
  const answer = await redirected(await authenticate({}));
  const user = await authenticate(Object.fromEntries(answer.searchParams));
  assert.equal(user.emails[0].value, "sandbox.user@example.org");
  assert.equal(user.displayName, "sandbox.user");
  assert.match(user.refreshToken, /^1:/);
}

for (const test of [
  arcticRunsTheCodeGrant,
  openidClientRunsTheCodeGrantWithPkce,
  openidClientCannotPollForADevice,
  passportYandexLogsIn,
]) {
  await test();
  console.log("ok", test.name);
}
