// An authorization server of oauth2-mock-server, its paths Yandex's. Prints
// its origin and serves.

import { OAuth2Server } from "oauth2-mock-server";

const endpoints = { token: "/token", authorize: "/authorize", revoke: "/revoke_token" };
const server = new OAuth2Server(undefined, undefined, { endpoints });
await server.issuer.keys.generate("RS256");
await server.start(0, "127.0.0.1");
console.log(`http://127.0.0.1:${server.address().port}`);
