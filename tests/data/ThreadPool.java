// A server of threads, as Java's are written: a pool, and an answer that is computed, compressed and read from a file.
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.stream.LongStream;
import java.util.zip.GZIPOutputStream;

public class ThreadPool {
  static byte[] answer(String path, Path folder) throws Exception {
    switch (path) {
      case "/sum":  // work enough for the compiler of the machine to take part
        return ("sum " + LongStream.range(0, 20000).map(i -> i * i % 7).sum() + "\n").getBytes();
      case "/file":
        return Files.readAllBytes(folder.resolve("large.txt"));
      case "/gzip":
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream to = new GZIPOutputStream(bytes)) { to.write("honey".repeat(1000).getBytes()); }
        return ("gzip " + (bytes.size() < 1000) + "\n").getBytes();
      case "/temporary":
        Path name = Files.createTempFile("note", "");
        Files.writeString(name, "honey");
        String read = Files.readString(name);
        Files.delete(name);
        return (read + " written, read, removed\n").getBytes();
      default:
        return null;
    }
  }

  public static void main(String[] words) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress(words[0], Integer.parseInt(words[1])), 64);
    server.setExecutor(Executors.newFixedThreadPool(8));
    server.createContext("/", exchange -> {
      exchange.getRequestBody().readAllBytes();
      try {
        byte[] body = answer(exchange.getRequestURI().getPath(), Path.of(words[2]));
        exchange.getResponseHeaders().add("Connection", "close");
        exchange.sendResponseHeaders(body == null ? 404 : 200, body == null ? -1 : body.length);
        if (body != null) exchange.getResponseBody().write(body);
      } catch (Exception e) {
        e.printStackTrace();
        exchange.sendResponseHeaders(500, -1);
      }
      exchange.close();
    });
    server.start();
  }
}
