//! Containers of Docker, which is Podman here: it needs no daemon. The image is
//! what the Dockerfile makes, with a program that is not static.

use std::fs;

use serde_json::Value;

use crate::support::documents::{document, programs, sandboxed};
use crate::support::files::install;
use crate::support::{Home, block, run};

/// Podman on files of this home, without control groups, on the host's
/// network, where the sandbox is.
const DOCKER: &str = "\
[ \"$1\" != run ] || { shift
    set -- run --network host --cgroups disabled --ulimit nofile=1024:1024 \\
        --ulimit nproc=1024:1024 --env YANDEX_OAUTH_URL \"$@\"; }
unshare -m sh -euc 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
    mount -t tmpfs none /run; mount -t tmpfs none /dev/shm
    exec podman --root ~/podman --runroot ~/podman-run --storage-driver vfs \\
        --cgroup-manager cgroupfs --events-backend none \"$@\"' sh \"$@\"";

/// An image of the name that the document gives it.
const BUILD: &str = "cp -L bin/yandex-token image
$(sed -n 's,.* && \\(mkdir.*\\) /data$,\\1 data-of-image,p' Dockerfile)
chown 1000:1000 data-of-image
tar -chf image.tar --transform 's,^image,yandex-token,;s,-of-image,,' \\
    image data-of-image $(ldd image | grep -o '/[^ ]*') /etc/ssl/certs/ca-certificates.crt
sed -n '/^FROM scratch/,$ { /^USER\\|^ENV\\|^ENTRYPOINT/p }' Dockerfile |
    sed 's/ SSL_CERT_FILE/\\nENV&/' >changes
mapfile -t changes <changes
test ${#changes[@]} = 4
docker import \"${changes[@]/#/--change=}\" image.tar yandex-token";

const EXPIRE: &str = "sed -i 's/\"expires_at\":[0-9]*/\"expires_at\":1/' \\
    ~/.local/share/yandex-token/disk.json";

#[test]
#[ignore = "needs root and podman"]
fn a_container_renews_a_token_in_a_mounted_directory_or_file() {
    let home = Home::new();
    programs(&home, &[]);
    install(&home, "bin/docker", DOCKER);
    install(&home, "bin/id", "echo 1234");
    fs::write(home.path().join("Dockerfile"), document("Dockerfile")).unwrap();
    let script = format!(
        "{BUILD}
        export XDG_DATA_HOME=~/.local/share
        yandex-token login -q --device --profile disk
        chown -R 1234:1234 ~/.local/share/yandex-token
        token() {{ grep -o '\"refresh_token\":\"[^\"]*' ~/.local/share/yandex-token/disk.json; }}
        first=$(token)
        {EXPIRE}
        {}
        second=$(token)
        test $first != $second
        {EXPIRE}
        {}
        test $second != $(token)
        test $(stat -c %u:%a ~/.local/share/yandex-token/disk.json) = 1234:600",
        block("docker-directory"),
        block("docker-file")
    );
    let done = run(sandboxed(&home, &script));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let printed: Vec<_> = done
        .stdout
        .lines()
        .filter(|line| line.starts_with("y0_"))
        .collect();
    assert_eq!(printed.len(), 2, "{done:#?}");
}

/// Prints the one container's script, user and whether its root is read-only.
const READ_MANIFEST: &str = "\
import sys, yaml
job = [d for d in yaml.safe_load_all(open('manifest.yaml')) if d['kind'] == 'CronJob'][0]
pod = job['spec']['jobTemplate']['spec']['template']['spec']
[container] = pod['containers']
assert container['command'] == ['sh', '-euc']
assert container['securityContext']['readOnlyRootFilesystem']
mounts = [mount['mountPath'] for mount in container['volumeMounts']]
assert mounts == ['/secret', '/scratch'] and 'secret' in pod['volumes'][0]
assert 'emptyDir' in pod['volumes'][1]
open('script', 'w').write(container['args'][0])
print(pod['securityContext']['runAsUser'])";

/// It makes the Secret outside of the cluster, and in it fails once to replace
/// it.
const KUBECTL: &str = "case \"$*\" in
*application*) grep -q . secret.txt ;;
'create secret generic yandex --from-file=token.json') install -m 644 token.json secret ;;
'create secret generic yandex --from-file=token.json --dry-run=client -o yaml') cat token.json ;;
'replace -f -') cat >~/next; [ -e ~/failed ] || { : >~/failed; exit 1; }; cat ~/next ;;
*) exit 2 ;;
esac";

/// A root of its own, read-only but for what is mounted.
const POD: &str = "\
mkdir -p root/{bin,lib,lib64,usr,dev,opt,secret,scratch}
mount --bind root root
for dir in bin lib lib64 usr dev; do mount --rbind /$dir root/$dir; done
mount --bind programs root/opt
mount --bind secret root/secret
mount -t tmpfs -o mode=777 none root/scratch
mount -o remount,bind,ro root
mount -o remount,bind,ro root/secret
cd root
exec chroot --userspec=$1:0 --groups= . env PATH=/opt:/usr/bin:/bin HOME=/ sh -euc \"$2\"";

#[test]
#[ignore = "needs root and target/clients/python, see .ci/run"]
fn a_cron_job_renews_the_secret_as_an_arbitrary_user_with_a_read_only_root() {
    let home = Home::new();
    programs(&home, &[]);
    install(&home, "bin/kubectl", KUBECTL);
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("manifest.yaml", &block("kubernetes"));
    write("read.py", READ_MANIFEST);
    write("pod", POD);
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/python/bin");
    let script = format!(
        "{python}/kubernetes-validate --strict --quiet manifest.yaml
        user=$({python}/python read.py)
        mkdir secret programs
        echo secret >secret.txt
        {}
        test ! -e token.json
        cp -L bin/* programs
        printf '#!/bin/sh\\n' >programs/sleep
        chmod 755 programs/sleep
        unshare -m bash -euc \"$(cat pod)\" pod $user \"$(cat script)\" >next.json
        cp secret/token.json first.json
        # What any other job does with the Secret.
        export YANDEX_TOKEN_FILE=/secret/token.json YANDEX_TOKEN_NO_RENEW=1
        unshare -m bash -euc \"$(cat pod)\" pod $user 'yandex-token exec -- printenv YANDEX_TOKEN'",
        block("kubernetes-login")
    );
    let done = run(sandboxed(&home, &script));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(home.path().join(name)).unwrap()).unwrap()
    };
    let (first, next) = (read("first.json"), read("next.json"));
    assert_ne!(first["refresh_token"], next["refresh_token"]);
    assert_eq!(done.stdout.trim(), first["access_token"], "{done:#?}");
    let warnings = done.stderr.contains("warning");
    assert!(!warnings, "{done:#?}");
}
