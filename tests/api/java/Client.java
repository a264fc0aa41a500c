// Any operation of the AWS SDK for Java v2, by name, against the endpoint in AWS_ENDPOINT_URL.
//
// Reads one JSON object a line from standard input, {"service", "operation", "input"}, and answers each with one line:
// {"output": {...}} or {"error", "message", "status"} (tests/api/clients.py). Requests are filled and answers read field
// by field through the SDK's own description of its classes, so what is tested is its marshalling, not this file.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.awscore.client.builder.AwsSyncClientBuilder;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkField;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.core.protocol.MarshallingType;
import software.amazon.awssdk.core.traits.ListTrait;
import software.amazon.awssdk.core.traits.MapTrait;
import software.amazon.awssdk.core.util.SdkAutoConstructList;
import software.amazon.awssdk.core.util.SdkAutoConstructMap;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.protocols.jsoncore.JsonWriter;
import software.amazon.awssdk.services.personalize.PersonalizeClient;
import software.amazon.awssdk.services.personalizeevents.PersonalizeEventsClient;
import software.amazon.awssdk.services.personalizeruntime.PersonalizeRuntimeClient;
import software.amazon.awssdk.utils.builder.Buildable;

public class Client {
    private record Service(Class<?> type, Object client, String models) {}

    private static final Map<String, Service> SERVICES = Map.of(
        "personalize", service(PersonalizeClient.class, PersonalizeClient.builder()),
        "personalize-runtime", service(PersonalizeRuntimeClient.class, PersonalizeRuntimeClient.builder()),
        "personalize-events", service(PersonalizeEventsClient.class, PersonalizeEventsClient.builder()));

    private static <B extends AwsClientBuilder<B, C> & AwsSyncClientBuilder<B, C>, C> Service service(Class<C> type, B builder) {
        builder.endpointOverride(URI.create(System.getenv("AWS_ENDPOINT_URL")));
        builder.httpClientBuilder(UrlConnectionHttpClient.builder());
        return new Service(type, builder.build(), type.getPackageName() + ".model.");
    }

    // --- JSON to request

    private static Object read(SdkField<?> field, JsonNode json) {
        MarshallingType<?> type = field.marshallingType();
        if (type == MarshallingType.STRING) return json.asString();
        if (type == MarshallingType.BOOLEAN) return json.asBoolean();
        if (type == MarshallingType.INTEGER) return Integer.valueOf(json.asNumber());
        if (type == MarshallingType.LONG) return Long.valueOf(json.asNumber());
        if (type == MarshallingType.FLOAT) return Float.valueOf(json.asNumber());
        if (type == MarshallingType.DOUBLE) return Double.valueOf(json.asNumber());
        if (type == MarshallingType.INSTANT) return Instant.ofEpochMilli(Math.round(Double.parseDouble(json.asNumber()) * 1000));
        if (type == MarshallingType.SDK_POJO) return fill((SdkPojo) field.constructor().get(), json);
        if (type == MarshallingType.LIST) {
            List<Object> list = new ArrayList<>();
            for (JsonNode element : json.asArray()) list.add(read(field.getTrait(ListTrait.class).memberFieldInfo(), element));
            return list;
        }
        if (type == MarshallingType.MAP) {
            Map<String, Object> map = new LinkedHashMap<>();
            json.asObject().forEach((key, value) -> map.put(key, read(field.getTrait(MapTrait.class).valueFieldInfo(), value)));
            return map;
        }
        throw new IllegalStateException("no JSON for " + type);
    }

    private static Object fill(SdkPojo builder, JsonNode json) {
        Map<String, JsonNode> left = new LinkedHashMap<>(json.asObject());
        for (SdkField<?> field : builder.sdkFields()) {
            JsonNode value = left.remove(field.locationName());
            if (value != null) field.set(builder, read(field, value));
        }
        if (!left.isEmpty()) throw new IllegalArgumentException("the SDK has no member " + left.keySet());
        return ((Buildable) builder).build();
    }

    // --- answer to JSON

    private static void write(JsonWriter out, Object value) {
        if (value instanceof SdkPojo pojo) {
            out.writeStartObject();
            for (SdkField<?> field : pojo.sdkFields()) {
                Object member = field.getValueOrDefault(pojo);
                if (member == null || member instanceof SdkAutoConstructList || member instanceof SdkAutoConstructMap) continue;
                out.writeFieldName(field.locationName());
                write(out, member);
            }
            out.writeEndObject();
        } else if (value instanceof List<?> list) {
            out.writeStartArray();
            list.forEach(element -> write(out, element));
            out.writeEndArray();
        } else if (value instanceof Map<?, ?> map) {
            out.writeStartObject();
            map.forEach((key, element) -> {
                out.writeFieldName((String) key);
                write(out, element);
            });
            out.writeEndObject();
        } else if (value instanceof Boolean flag) {
            out.writeValue(flag);
        } else if (value instanceof Integer || value instanceof Long) {
            out.writeValue(((Number) value).longValue());
        } else if (value instanceof Number number) {
            out.writeValue(number.doubleValue());
        } else {
            out.writeValue(value.toString()); // an Instant is ISO 8601
        }
    }

    // --- one call

    private static void call(JsonNode asked, JsonWriter out) throws ReflectiveOperationException {
        Service service = SERVICES.get(asked.field("service").get().asString());
        String operation = asked.field("operation").get().asString();
        Class<?> type = Class.forName(service.models() + operation + "Request");
        Object request = fill((SdkPojo) type.getMethod("builder").invoke(null), asked.field("input").get());
        String method = Character.toLowerCase(operation.charAt(0)) + operation.substring(1);
        out.writeStartObject();
        try {
            Object response = service.type().getMethod(method, type).invoke(service.client(), request);
            out.writeFieldName("output");
            write(out, response);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof AwsServiceException refused)) throw thrown;
            out.writeFieldName("error").writeValue(refused.awsErrorDetails().errorCode());
            out.writeFieldName("message").writeValue(refused.awsErrorDetails().errorMessage());
            out.writeFieldName("status").writeValue(refused.statusCode());
        }
        out.writeEndObject();
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonWriter out = JsonWriter.create();
            call(JsonNode.parser().parse(line), out);
            answers.println(new String(out.getBytes(), StandardCharsets.UTF_8));
        }
    }
}
