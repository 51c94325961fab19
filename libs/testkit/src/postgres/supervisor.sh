# Stops the test server when no test has used it for 20 seconds.
# Arguments: the directory, and the words that run pg_ctl as the server's user.
#
# No child may inherit the locks (8>&- 9>&-): it would keep them when a supervisor is killed.

home=$1
shift
cd "$home" || exit
exec 8>>supervisor.lock 9<users.lock
flock -w 5 8 || exit

while :; do
    # Waits for the last test to end, and leaves a note that the next to come removes.
    flock 9
    : >idle
    flock -u 9
    sleep 20 8>&- 9>&-
    flock -n 9 || continue
    [ -e idle ] && break
    flock -u 9
done

for server in server-*; do
    "$@" stop -D "$home/$server/data" -m immediate 8>&- 9>&-
done
# Moved away first, so that a test which comes now finds either all of it or nothing.
mv "$home" "$home.$$" && rm -rf "$home.$$"
