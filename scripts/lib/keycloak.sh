# shellcheck shell=bash disable=SC2034
# A real Keycloak from Maven Central, in a folder and on a port of the caller's choice.
# Sourced, not run; needs common.sh.

# Fetches the distribution into the cache, once.
keycloak_install() {
  KEYCLOAK_ZIP="$CACHE/keycloak-quarkus-dist-$KEYCLOAK_VERSION.zip"
  [ -f "$KEYCLOAK_ZIP" ] && return
  need_packages maven default-jre-headless unzip
  say "fetching Keycloak $KEYCLOAK_VERSION"
  mkdir -p "$CACHE"
  local work
  work=$(mktemp -d)
  mvn -q -B dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$KEYCLOAK_VERSION:zip" \
    -DoutputDirectory="$work" >&2 || fail "Maven could not fetch Keycloak $KEYCLOAK_VERSION"
  mv "$work/keycloak-quarkus-dist-$KEYCLOAK_VERSION.zip" "$KEYCLOAK_ZIP"
  rm -rf "$work"
}

# keycloak_start FOLDER PORT: starts it with the administrator admin:admin, believing X-Forwarded-For, and
# waits until it answers. Its process id goes to FOLDER/pid.
keycloak_start() {
  local folder=$1 port=$2
  keycloak_install
  need_packages unzip
  mkdir -p "$folder"
  unzip -q -o "$KEYCLOAK_ZIP" -d "$folder"
  local home="$folder/keycloak-$KEYCLOAK_VERSION"
  KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin JAVA_OPTS_KC_HEAP="-Xms64m -Xmx640m" \
    "$home/bin/kc.sh" start-dev --http-port "$port" --http-host 127.0.0.1 --proxy-headers xforwarded \
    >"$folder/keycloak.log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  wait_for_port "$port" $! Keycloak "$folder/keycloak.log"
}

# keycloak_stop FOLDER
keycloak_stop() {
  [ -f "$1/pid" ] || return 0
  local pid
  pid=$(cat "$1/pid")
  pkill -9 -P "$pid" 2>/dev/null || true
  kill -9 "$pid" 2>/dev/null || true
}
