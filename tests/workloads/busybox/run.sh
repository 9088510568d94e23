#!/bin/sh
# Static busybox only: files, text, archives, processes, no sockets.
set -eu
die() { echo "FAIL busybox: $*"; exit 1; }
eq() { [ "$1" = "$2" ] || die "$3: got '$1', want '$2'"; }
D=$(mktemp -d /tmp/bb.XXXXXX); cd "$D"
# --- files
mkdir -p a/b/c; touch a/f1; echo hello >a/f2; echo "world wide" >a/b/f3
seq 1 1000 >nums; cp nums a/b/c/nums; cp -r a a2; mv a2 a3; ln -s f2 a/sym; ln a/f2 a/hard
eq "$(readlink a/sym)" f2 readlink
eq "$(stat -c %h a/f2)" 2 "hard link count"
chmod 640 a/f1; chown 1:1 a/f1; eq "$(stat -c %a:%u:%g a/f1)" 640:1:1 "chmod/chown"
touch -t 202001020304 a/f1; ls -la a >/dev/null; ls -lR /wl /dev/pts >/dev/null; ls -l /proc >/dev/null 2>&1 || true
eq "$(cp -p a/f1 kept; stat -c %a:%u:%g kept)" 640:1:1 "cp -p"; (umask 027; touch um); eq "$(stat -c %a um)" 640 umask
eq "$(realpath a/../a/b)" "$D/a/b" realpath
eq "$(ls a/b/c | wc -l)" 1 ls; du -s a >/dev/null; rm -rf a3; rmdir a/empty 2>/dev/null || true
truncate -s 100000 sparse; eq "$(stat -c %s sparse)" 100000 truncate
dd if=/dev/zero of=z bs=4k count=16 conv=fsync 2>/dev/null; eq "$(wc -c <z)" 65536 dd
mkfifo p; (echo through-fifo >p &) ; eq "$(cat p)" through-fifo fifo
mknod nul c 1 3 2>/dev/null || true; install -m 755 nums inst 2>/dev/null || true
# --- text
eq "$(grep -r world a | wc -l)" 1 "grep -r"; eq "$(sed -n '10,12p' nums | tr '\n' ' ')" "10 11 12 " sed
chmod 604 nums; chown 2:3 nums; sed -i 's/^5$/five/' nums; eq "$(stat -c %a:%u:%g nums)" 604:2:3 "sed -i keeps mode and owner"; eq "$(awk '{s+=$1} END{print s}' nums)" 500495 awk
eq "$(sort -rn nums | head -n 1)" 1000 sort; eq "$(sort a/f2 a/f2 | uniq -c | awk '{print $1}')" 2 uniq
eq "$(echo a:b:c | cut -d: -f2)" b cut; eq "$(tail -n 1 nums)" 1000 tail; echo t | tee t1 >/dev/null; cmp t1 t1
eq "$(printf 'x\ny\n' | xargs -n1 echo | wc -l)" 2 xargs; eq "$(expr 6 \* 7)" 42 expr
eq "$(echo abc | od -An -tx1 | tr -d ' \n')" 6162630a od; hexdump -C z >/dev/null; diff -u a/f2 a/b/f3 >d.txt || true
eq "$(echo hi | md5sum | cut -c1-8)" 764efa88 md5sum; sha256sum nums >s; sha256sum -c s >/dev/null
eq "$(find a -name 'f*' -type f | wc -l)" 3 find; find a -type f -exec cat {} + >/dev/null
eq "$(basename /x/y.z .z)$(dirname /x/y)" y/x basename; fold -w 3 nums | rev | nl >/dev/null; paste nums nums | head -n1 >/dev/null
# --- archives
tar czf t.tgz a; mkdir x; tar xzf t.tgz -C x; diff -r a x/a || die tar; find a | cpio -o -H newc >c.cpio 2>/dev/null
mkdir y; (cd y; cpio -id <../c.cpio 2>/dev/null); eq "$(cat y/a/f2)" hello cpio
gzip -c nums >n.gz; eq "$(zcat n.gz | wc -l)" 1000 gzip; bzip2 -c nums >n.bz2; eq "$(bunzip2 -c n.bz2 | wc -l)" 1000 bzip2
# --- processes, signals, system
sleep 30 & P=$!; ps >/dev/null; kill -TERM $P; wait $P || eq $? 143 "wait status"
(trap 'echo usr1 >u' USR1; kill -USR1 $(sh -c 'echo $PPID'); true); eq "$(cat u)" usr1 trap
timeout 1 sleep 20 && die timeout || true; nohup true >/dev/null 2>&1 || true; nice -n 5 true 2>/dev/null || true; setsid true; time true 2>/dev/null
top -b -n1 | grep -q COMMAND || die top; free | grep -q 'Mem: *[1-9]' || die free; uptime | grep -q 'load average' || die uptime; df / | grep -q '[1-9].*/$' || die df; mount | grep -q ' /proc ' || die mount; [ "$(nproc)" -ge 1 ] || die nproc
sh -c 'echo $$' >pid & wait $!; eq "$(cat pid)" $! "process id"; eq "$(setsid sh -c 'read -r l </proc/$$/stat; set -- $l; [ $6 = $$ ] && echo leader')" leader setsid; eq "$(ulimit -n 100; ulimit -n)" 100 ulimit
pidof busybox >/dev/null || true; pgrep sh >/dev/null || true; eq "$(id -u):$(id -g):$(whoami)" 0:0:root id; [ -n "$(hostname)" ] || die hostname; eq "$(uname -s)" Linux uname; case $(uname -m) in x86_64 | aarch64) ;; *) die "uname -m" ;; esac
date +%s >/dev/null; env >/dev/null; tty >/dev/null || true; stty -a >/dev/null 2>&1 || true; sync; usleep 1000; which ls >/dev/null
dmesg >/dev/null 2>&1 || true; ulimit -a >/dev/null; umask 027; yes | head -n 10000 | wc -l >/dev/null
if command -v flock >/dev/null; then flock lock -c true; fi; cat /proc/self/status /proc/cpuinfo /proc/meminfo /proc/uptime >/dev/null
mkdir m; if mount -t tmpfs none m 2>/dev/null; then echo q >m/q; umount m; fi
i=0; while [ $i -lt 50 ]; do i=$((i+1)); /bin/true; done
(sleep 0.1; echo bg >bg) & wait; eq "$(cat bg)" bg background
cat <<X | grep -q heredoc || die heredoc
heredoc
X
cd /; rm -rf "$D"
echo "PASS busybox"
