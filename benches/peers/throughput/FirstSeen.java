import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * What a user of Kafka Streams would write: of each identity the values that were seen of six fields, and a
 * z-score of its hourly rate, in an in-memory store with a changelog, exactly once.
 *
 * <p>Arguments: brokers, topic, number of events. Prints `first` and `done`.
 */
public final class FirstSeen implements Processor<String, byte[], String, String> {
  private static final String STORE = "identities";
  private static final String[] FIELDS = {"/source/host", "/source/ip", "/source/country", "/source/user_agent",
    "/action", "/resource"};
  private static final double SURPRISING_Z = 4;
  private static int expected;
  private static int processed;
  private static final CountDownLatch DONE = new CountDownLatch(1);

  private final ObjectMapper json = new ObjectMapper();
  private ProcessorContext<String, String> context;
  private KeyValueStore<String, byte[]> store;

  @Override
  public void init(ProcessorContext<String, String> context) {
    this.context = context;
    this.store = context.getStateStore(STORE);
  }

  @Override
  public void process(Record<String, byte[]> record) {
    try {
      JsonNode event = json.readTree(record.value());
      String identity = event.at("/identity/id").asText();
      byte[] stored = store.get(identity);
      Baseline baseline = stored == null ? new Baseline() : json.readValue(stored, Baseline.class);
      int novel = 0;
      for (String field : FIELDS) {
        String value = event.at(field).asText();
        Map<String, Integer> seen = baseline.seen.computeIfAbsent(field, key -> new HashMap<>());
        novel += seen.merge(value, 1, Integer::sum) == 1 ? 1 : 0;
      }
      double z = baseline.add(event.at("/time").asText());
      store.put(identity, json.writeValueAsBytes(baseline));
      if (novel >= 2 || z > SURPRISING_Z) {
        context.forward(record.withKey(identity).withValue(novel + " new values, z " + z));
      }
    } catch (IOException malformed) {
      System.err.println(malformed.getMessage());
    }
    if (++processed == 1) {
      System.out.println("first");
    }
    if (processed == expected) {
      System.out.println("done");
      DONE.countDown();
    }
  }

  /** What is known of an identity. */
  public static final class Baseline {
    public Map<String, Map<String, Integer>> seen = new HashMap<>();
    public String hour = "";
    public int count;
    public int hours;
    public double mean;
    public double squares;

    /** Counts an event; returns how unusual the count of its hour is. */
    double add(String time) {
      String now = time.substring(0, Math.min(13, time.length()));
      if (!now.equals(hour)) {
        if (count > 0) {
          hours++;
          double difference = count - mean;
          mean += difference / hours;
          squares += difference * (count - mean);
        }
        hour = now;
        count = 0;
      }
      count++;
      double deviation = hours > 1 ? Math.sqrt(squares / (hours - 1)) : 0;
      return deviation > 0 ? (count - mean) / deviation : 0;
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    expected = Integer.parseInt(arguments[2]);
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "first-seen-" + System.nanoTime());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir") + "/first-seen");
    Topology topology = new Topology();
    topology.addSource("events", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), arguments[1]);
    topology.addProcessor("baseline", FirstSeen::new, "events");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray()),
        "baseline");
    topology.addSink("alerts", arguments[1] + "-alerts", Serdes.String().serializer(), Serdes.String().serializer(),
        "baseline");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    streams.start();
    DONE.await();
    streams.close();
  }
}
