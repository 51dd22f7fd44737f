<?php
// Logs in as PHP sites do: curl with an array (multipart) and with a string.
//
// Started by `yandex-token sandbox -- php clients.php`: the server's address
// and the application are in the environment, and every consent is given.

$origin = getenv('YANDEX_OAUTH_URL');
$application = [
    'client_id' => getenv('YANDEX_CLIENT_ID'),
    'client_secret' => getenv('YANDEX_CLIENT_SECRET'),
];

function curl(string $url, array $options): string
{
    $curl = curl_init($url);
    curl_setopt_array($curl, $options + [CURLOPT_RETURNTRANSFER => true]);
    $answer = curl_exec($curl);
    $answer !== false or throw new Exception(curl_error($curl));
    return $answer;
}

function post(string $url, $fields): array
{
    $options = [CURLOPT_POST => true, CURLOPT_POSTFIELDS => $fields];
    return json_decode(curl($url, $options), true, flags: JSON_THROW_ON_ERROR);
}

function check(bool $holds, mixed $seen): void
{
    $holds or throw new Exception(var_export($seen, true));
}

function run(string $name, callable $encode): void
{
    global $origin, $application;
    $asked = ['response_type' => 'code', 'device_id' => $name, 'scope' => 'login:email'];
    $url = "$origin/authorize?" . http_build_query($asked + $application);
    $head = curl($url, [CURLOPT_HEADER => true]);
    check(preg_match('/[?&]code=(\w+)/', $head, $found) === 1, $head);
    $code = ['grant_type' => 'authorization_code', 'code' => $found[1]];
    $token = post("$origin/token", $encode($code + $application));
    check($token['expires_in'] === 31536000, $token);
    $info = ['oauth_token' => $token['access_token'], 'format' => 'json'];
    $user = post("$origin/info", $encode($info));
    check($user['default_email'] === 'sandbox.user@example.org', $user);
    $refresh = ['grant_type' => 'refresh_token', 'refresh_token' => $token['refresh_token']];
    $fresh = post("$origin/token", $encode($refresh + $application));
    check($fresh['refresh_token'] !== $token['refresh_token'], $fresh);
    $again = post("$origin/token", $encode($refresh + $application));
    check($again['error'] === 'invalid_grant', $again);
    $revoke = ['access_token' => $fresh['access_token']];
    $revoked = post("$origin/revoke_token", $encode($revoke + $application));
    check($revoked === ['status' => 'ok'], $revoked);
    echo "ok $name\n";
}

run('curl-array', fn ($fields) => $fields);
run('curl-string', http_build_query(...));
