# shellcheck shell=bash disable=SC2034
# A real Kafka broker from Maven Central, in a folder and on ports of the caller's choice.
# Sourced, not run; needs common.sh.

# Fetches the broker's jars into the cache, once.
kafka_install() {
  KAFKA_JARS="$CACHE/kafka-$KAFKA_VERSION"
  [ -f "$KAFKA_JARS/.complete" ] && return
  need_packages maven default-jre-headless
  say "fetching Kafka $KAFKA_VERSION"
  local work
  work=$(mktemp -d)
  cat >"$work/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_$SCALA_VERSION</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>$SLF4J_VERSION</version></dependency>
  </dependencies>
</project>
XML
  rm -rf "$KAFKA_JARS"
  mkdir -p "$KAFKA_JARS"
  mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$KAFKA_JARS" >&2 \
    || fail "Maven could not fetch Kafka $KAFKA_VERSION"
  rm -rf "$work"
  touch "$KAFKA_JARS/.complete"
}

# kafka_start FOLDER PORT CONTROLLER_PORT: starts a one-node broker and waits until it answers.
# Its process id goes to FOLDER/pid.
kafka_start() {
  local folder=$1 port=$2 controller=$3
  kafka_install
  mkdir -p "$folder"
  cat >"$folder/server.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$folder/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=16777216
CONF
  local java=(java -Xmx768m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_JARS/*")
  local id
  id=$("${java[@]}" kafka.tools.StorageTool random-uuid 2>/dev/null)
  "${java[@]}" kafka.tools.StorageTool format -t "$id" -c "$folder/server.properties" >"$folder/format.log" 2>&1 \
    || fail "Kafka could not format its folder; see $folder/format.log"
  "${java[@]}" kafka.Kafka "$folder/server.properties" >"$folder/broker.log" 2>&1 &
  echo $! >"$folder/pid"
  wait_for_port "$port" $! Kafka "$folder/broker.log"
}

# kafka_stop FOLDER
kafka_stop() {
  [ -f "$1/pid" ] || return 0
  local pid
  pid=$(cat "$1/pid")
  kill "$pid" 2>/dev/null || return 0
  local _
  for _ in $(seq 1 40); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.25
  done
  kill -9 "$pid" 2>/dev/null || true
}

# kafka_cluster_start FOLDER: three nodes, each broker and controller, replication 3. The servers go to
# FOLDER/servers.
kafka_cluster_start() {
  local folder=$1 node quorum="" servers=""
  kafka_install
  for node in 1 2 3; do
    mkdir -p "$folder/$node"
    free_port >"$folder/$node/port"
    free_port >"$folder/$node/controller"
    quorum="$quorum,$node@127.0.0.1:$(cat "$folder/$node/controller")"
    servers="$servers,127.0.0.1:$(cat "$folder/$node/port")"
  done
  echo "${servers#,}" >"$folder/servers"
  local java=(java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_JARS/*")
  local id
  id=$("${java[@]}" kafka.tools.StorageTool random-uuid 2>/dev/null)
  for node in 1 2 3; do
    kafka_node_config "$folder/$node" "$node" "${quorum#,}"
    "${java[@]}" kafka.tools.StorageTool format -t "$id" -c "$folder/$node/server.properties" \
      >"$folder/$node/format.log" 2>&1 || fail "Kafka could not format; see $folder/$node/format.log"
    kafka_node_run "$folder/$node"
  done
  for node in 1 2 3; do kafka_node_wait "$folder/$node"; done
}

kafka_node_config() {
  local port controller
  port=$(cat "$1/port")
  controller=$(cat "$1/controller")
  cat >"$1/server.properties" <<CONF
process.roles=broker,controller
node.id=$2
controller.quorum.voters=$3
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data
offsets.topic.replication.factor=3
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=8
min.insync.replicas=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=16777216
CONF
}

kafka_node_run() {
  java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_JARS/*" \
    kafka.Kafka "$1/server.properties" >>"$1/broker.log" 2>&1 </dev/null &
  echo $! >"$1/pid"
}

kafka_node_wait() {
  wait_for_port "$(cat "$1/port")" "$(cat "$1/pid")" "a broker" "$1/broker.log"
}

# kafka_node_restart FOLDER NODE: kill -9, and up again.
kafka_node_restart() {
  kafka_install
  kill -9 "$(cat "$1/$2/pid")" 2>/dev/null || true
  sleep 2
  kafka_node_run "$1/$2"
  kafka_node_wait "$1/$2"
}

kafka_cluster_stop() {
  local node
  for node in 1 2 3; do
    [ -f "$1/$node/pid" ] && kill -9 "$(cat "$1/$node/pid")" 2>/dev/null
  done
  true
}
