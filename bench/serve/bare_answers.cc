// The least that answering over HTTP costs here: one thread that takes whatever comes on its
// connections for a request, works for a while, and answers with the same bytes.
//
//   bare_answers WORK_US    prints its address, answers until it is killed
//
// What its processor time exceeds the work by is the system's: the price of two system calls, of
// TCP and of being woken, which no server avoids. On virtual machines being woken is most of it.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace {

constexpr size_t kBodyBytes = 128;  // ten neighbours in binary

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on_loopback() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, any, size) != 0 || ::listen(listener, 64) != 0) fail("listen");
  if (::getsockname(listener, any, &size) != 0) fail("getsockname");
  std::printf("127.0.0.1:%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return listener;
}

int64_t cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// On the processor, so that whoever takes it meanwhile does not count as work.
void work_for(int64_t time_ns) {
  const int64_t end = cpu_ns() + time_ns;
  while (cpu_ns() < end) {
  }
}

void watch(int epoll, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "bare_answers WORK_US\n");
    return 2;
  }
  const auto work_ns = static_cast<int64_t>(std::strtod(arguments[1], nullptr) * 1000);
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
      std::to_string(kBodyBytes) + "\r\n\r\n" + std::string(kBodyBytes, 'x');
  const int listener = listen_on_loopback();
  const int epoll = ::epoll_create1(0);
  watch(epoll, listener);
  std::array<epoll_event, 64> events;
  std::array<char, 65536> request;
  while (true) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[static_cast<size_t>(i)].data.fd;
      if (descriptor == listener) {
        const int connection = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (connection < 0) continue;
        const int on = 1;
        (void)::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, connection);
      } else if (::recv(descriptor, request.data(), request.size(), 0) <= 0) {
        ::close(descriptor);
      } else {
        work_for(work_ns);
        (void)::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    }
  }
}
