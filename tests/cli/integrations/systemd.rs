//! The documented units, started by a systemd that is the first process of
//! namespaces of its own.

use std::fs;

use serde_json::Value;

use crate::support::documents::{programs, sandboxed};
use crate::support::files::install;
use crate::support::{Home, block, run};

/// What no unit file outside of the test should have: where Yandex is, and that
/// systemd ends when the service does.
const SERVICE: &str = "[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
StandardOutput=file:%h/stdout
StandardError=file:%h/stderr
";

/// It elapses at once.
const TIMER: &str = "[Unit]
DefaultDependencies=no
[Timer]
OnActiveSec=1ms
AccuracySec=1ms
RandomizedDelaySec=0";

/// The mounts are seen by nobody else.
const BOOT: &str = "umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
for dir in /run /etc/systemd /var/lib /usr/local/bin; do mount -t tmpfs -o mode=755 none $dir; done
install -D -m 600 secret /run/report/client-secret
cp -L bin/yandex-token report /usr/local/bin
mkdir -p /run/systemd/system /etc/systemd/system/report.{service,timer}.d
cp report.{service,timer} /etc/systemd/system
cp service.conf /etc/systemd/system/report.service.d
cp timer.conf /etc/systemd/system/report.timer.d
systemd-analyze verify report.service report.timer
. ./login
sed -i 's/\"expires_at\":[0-9]*/\"expires_at\":1/' /var/lib/report/token.json
cp /var/lib/report/token.json before.json
mount --make-rshared /
export container=test
exec /lib/systemd/systemd --system --unit=report.timer --log-target=console";

#[test]
#[ignore = "needs root and systemd"]
fn a_timer_starts_a_service_that_renews_its_token_with_a_credential() {
    let home = Home::new();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    programs(&home, &[]);
    install(&home, "bin/sudo", "exec \"$@\"");
    let report = "echo \"$YANDEX_TOKEN\"; id -u; cat /var/lib/report/token.json";
    install(&home, "report", report);
    // Only /etc/report would have to be made on this machine.
    let here = |name| block(name).replace("/etc/report/", "/run/report/");
    write("report.service", &here("systemd-service"));
    write("report.timer", &here("systemd-timer"));
    write("login", &here("systemd-login"));
    write("timer.conf", TIMER);
    write("boot", BOOT);
    let service = SERVICE.replace("%h", home.path().to_str().unwrap());
    write("service.conf", &service);
    let script = "printenv YANDEX_CLIENT_SECRET >secret
        echo \"Environment=YANDEX_OAUTH_URL=$YANDEX_OAUTH_URL\" >>service.conf
        unset YANDEX_CLIENT_SECRET
        timeout 60 unshare -mpfC --kill-child --mount-proc bash -euxo pipefail boot";
    let done = run(sandboxed(&home, script));
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap_or_default();
    assert_eq!(done.code, Some(0), "{done:#?} {}", read("stderr"));
    let stdout = read("stdout");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{done:#?} {stdout} {}", read("stderr"));
    assert!(lines[0].starts_with("y0_") && lines[1] != "0", "{stdout}");
    let before: Value = serde_json::from_str(&read("before.json")).unwrap();
    let token: Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(token["access_token"], lines[0]);
    assert_ne!(token["refresh_token"], before["refresh_token"]);
    assert_eq!(read("stderr"), "");
}
