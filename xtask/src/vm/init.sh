#!/bin/busybox sh
# The guest's first process. Makes a root out of the host's, read-only below and a tmpfs above,
# so that whatever a test writes is gone with the guest; then runs /tests there, and hands its
# status to QEMU. The kernel's command line has tree= (the workspace) and modules= (the kernel's).
# A command that fails ends the script, and the kernel with it: QEMU then exits with 0.
set -e
/bin/busybox mkdir -p /proc /sys /dev /host /above /new
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for word in $(cat /proc/cmdline); do
    case $word in
    tree=*) tree=${word#tree=} ;;
    modules=*) modules=${word#modules=} ;;
    esac
done

while read -r module; do insmod "/modules/$module"; done </modules/order
# cache=loose: nobody changes the host's files for us, and without it every page is asked for again.
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /host
mount -t tmpfs -o size=100% tmpfs /above
mkdir /above/files /above/work
mount -t overlay -o lowerdir=/host,upperdir=/above/files,workdir=/above/work overlay /new

mount --move /proc /new/proc
mount --move /sys /new/sys
mount --move /dev /new/dev
for folder in tmp run; do mount -t tmpfs -o mode=1777 tmpfs /new/$folder; done
chmod 755 /new/run
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -sf "/proc/self/${link#*:}" "/new/dev/${link%:*}"
done
mkdir -p /new/dev/pts /new/dev/shm "/new$tree" "/new/usr/lib/modules/$(uname -r)"
mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm
# The tree may lie below /tmp, where the tmpfs now hides it.
mount --bind "/host$tree" "/new$tree"
mount --bind "/host$modules" "/new/usr/lib/modules/$(uname -r)"
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
hostname guest
ip link set lo up

cp /tests /new/run/tests
cat >/new/run/first <<'END'
stty -F /dev/ttyS1 raw
status=0
/bin/sh /run/tests </dev/null >/dev/ttyS1 2>&1 || status=$?
# Waits until all of it is out.
stty -F /dev/ttyS1 raw
# The port of isa-debug-exit: QEMU ends with twice the status plus one. Of a 0 that would make the
# status with which QEMU fails by itself, so 42 stands for it.
[ "$status" != 0 ] || status=42
printf "\\$(printf %o "$status")" | dd of=/dev/port bs=1 seek=244 2>/dev/null
END
exec switch_root /new /bin/sh /run/first
