// lwIP (Debian liblwip-dev), raw API, one thread.
//   lwip_bench tun DEV IP        serve 5001 sink, 5002 source, 5003 echo on TUN device DEV (kernel side is configured by the script)
//   lwip_bench mem BYTES         two netifs cross-linked in memory, one stream, prints Gbit/s and ns/segment
//   lwip_bench memcps N          N times connect, close in memory, prints conn/s
//   (PBUF_RAM throughout: in Debian 2.1.3+dfsg1-2 a 1500-byte PBUF_POOL pbuf overruns its 592-byte pool block)
//   lwip_bench memidle N         N idle connections in memory, prints bytes of RSS per connection end
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
static double now_s(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static int tunfd;
static char junk[65536];
struct conn { unsigned long long left; int need; };
static unsigned long long received, closed_n, accepted_n;
static err_t tun_out(struct netif *n, struct pbuf *p, const ip4_addr_t *a) {
  struct iovec v[16]; int c = 0; (void)n; (void)a;
  for (struct pbuf *q = p; q && c < 16; q = q->next) { v[c].iov_base = q->payload; v[c++].iov_len = q->len; }
  if (writev(tunfd, v, c) < 0 && errno == EAGAIN) return ERR_MEM;
  return ERR_OK;
}
static void done(struct tcp_pcb *t, struct conn *c) { tcp_arg(t, NULL); tcp_recv(t, NULL); tcp_sent(t, NULL); tcp_err(t, NULL); free(c); if (tcp_close(t) != ERR_OK) tcp_abort(t); closed_n++; }
static void on_err(void *arg, err_t e) { (void)e; free(arg); closed_n++; }
static void pump(struct tcp_pcb *t, struct conn *c) {
  while (c->left) {
    u32_t k = tcp_sndbuf(t); if (k > c->left) k = c->left; if (k > 32768) k = 32768; if (!k) break;
    if (tcp_write(t, junk, k, 0) != ERR_OK) break;
    c->left -= k;
  }
  tcp_output(t);
}
static err_t src_sent(void *arg, struct tcp_pcb *t, u16_t l) { struct conn *c = arg; (void)l; pump(t, c); if (!c->left && !c->need) done(t, c); return ERR_OK; }
static err_t src_recv(void *arg, struct tcp_pcb *t, struct pbuf *p, err_t e) {
  struct conn *c = arg; (void)e; if (!p) { done(t, c); return ERR_OK; }
  if (c->need) { pbuf_copy_partial(p, &c->left, 8, 0); c->need = 0; }
  tcp_recved(t, p->tot_len); pbuf_free(p); tcp_sent(t, src_sent); pump(t, c); return ERR_OK;
}
static err_t sink_recv(void *arg, struct tcp_pcb *t, struct pbuf *p, err_t e) {
  (void)e; if (!p) { done(t, arg); return ERR_OK; }
  received += p->tot_len; tcp_recved(t, p->tot_len); pbuf_free(p); return ERR_OK;
}
static err_t echo_recv(void *arg, struct tcp_pcb *t, struct pbuf *p, err_t e) {
  (void)e; if (!p) { done(t, arg); return ERR_OK; }
  for (struct pbuf *q = p; q; q = q->next) tcp_write(t, q->payload, q->len, TCP_WRITE_FLAG_COPY);
  tcp_recved(t, p->tot_len); pbuf_free(p); tcp_output(t); return ERR_OK;
}
static err_t on_accept(void *arg, struct tcp_pcb *t, err_t e) {
  if (e != ERR_OK || !t) return ERR_VAL;
  struct conn *c = calloc(1, sizeof *c); c->need = 1; tcp_arg(t, c); tcp_err(t, on_err); tcp_nagle_disable(t); accepted_n++;
  tcp_recv(t, (tcp_recv_fn)arg); return ERR_OK;
}
static void listen_on(int port, tcp_recv_fn f, struct netif *n) {
  struct tcp_pcb *l = tcp_new(); tcp_bind(l, IP_ANY_TYPE, port); if (n) tcp_bind_netif(l, n);
  l = tcp_listen_with_backlog(l, 255); tcp_arg(l, (void *)f); tcp_accept(l, on_accept);
}
static err_t tun_init(struct netif *n) { n->mtu = 1500; n->output = tun_out; n->name[0] = 't'; n->name[1] = 'n'; n->flags = NETIF_FLAG_LINK_UP; return ERR_OK; }
// In-memory wire: each output copies the packet into a new pbuf and queues it for the other netif.
static struct netif na, nb;
static struct { struct pbuf *p; struct netif *to; } q[65536]; static unsigned qh, qt; static unsigned long long segs;
static err_t mem_out(struct netif *n, struct pbuf *p, const ip4_addr_t *a) {
  (void)a; if (qt - qh >= 65536) return ERR_MEM;
  struct pbuf *c = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM); if (!c) return ERR_MEM;
  pbuf_copy_partial(p, c->payload, p->tot_len, 0);
  if (p->tot_len > 1000) segs++;
  q[qt & 65535].p = c; q[qt++ & 65535].to = n == &na ? &nb : &na; return ERR_OK;
}
static err_t mem_init2(struct netif *n) { n->mtu = 1500; n->output = mem_out; n->name[0] = 'm'; n->name[1] = 'm'; n->flags = NETIF_FLAG_LINK_UP; return ERR_OK; }
static void mem_poll(void) {
  unsigned end = qt; if (qh == end) sys_check_timeouts();
  while (qh != end) { struct pbuf *p = q[qh & 65535].p; struct netif *to = q[qh++ & 65535].to; if (to->input(p, to) != ERR_OK) pbuf_free(p); }
  static unsigned n; if (!(++n & 63)) sys_check_timeouts();
}
static struct conn cl; static int cli_closed, cli_connected;
static err_t cli_recv(void *arg, struct tcp_pcb *t, struct pbuf *p, err_t e) { (void)arg; (void)e; if (p) { tcp_recved(t, p->tot_len); pbuf_free(p); } else cli_closed = 1; return ERR_OK; }
static err_t cli_sent(void *arg, struct tcp_pcb *t, u16_t l) { (void)arg; (void)l; pump(t, &cl); return ERR_OK; }
static err_t cli_conn(void *arg, struct tcp_pcb *t, err_t e) { (void)arg; (void)e; cli_connected++; pump(t, &cl); return ERR_OK; }
static struct tcp_pcb *cli(int port) {
  struct tcp_pcb *t = tcp_new(); ip_addr_t d; IP_ADDR4(&d, 10, 0, 0, 2); tcp_bind_netif(t, &na); tcp_nagle_disable(t);
  tcp_recv(t, cli_recv); tcp_sent(t, cli_sent); if (tcp_connect(t, &d, port, cli_conn) != ERR_OK) { fprintf(stderr, "connect\n"); exit(1); } return t;
}
static long rss(void) { long a, b; FILE *f = fopen("/proc/self/statm", "r"); if (fscanf(f, "%ld %ld", &a, &b) != 2) b = 0; fclose(f); return b * 4096; }
int main(int argc, char **argv) {
  if (argc < 3) return 2;
  lwip_init(); ip4_addr_t ip, mask, gw;
  if (!strcmp(argv[1], "tun")) {
    struct ifreq r; memset(&r, 0, sizeof r); tunfd = open("/dev/net/tun", O_RDWR | O_NONBLOCK); strcpy(r.ifr_name, argv[2]); r.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(tunfd, TUNSETIFF, &r)) { perror("TUNSETIFF"); return 1; }
    ip4addr_aton(argv[3], &ip); IP4_ADDR(&mask, 255, 255, 255, 0); IP4_ADDR(&gw, 0, 0, 0, 0);
    static struct netif n; netif_add(&n, &ip, &mask, &gw, NULL, tun_init, ip_input); netif_set_default(&n); netif_set_up(&n);
    listen_on(5001, sink_recv, NULL); listen_on(5002, src_recv, NULL); listen_on(5003, echo_recv, NULL);
    struct pollfd pf = {tunfd, POLLIN, 0};
    for (;;) {
      int got = 0;
      for (int i = 0; i < 64; i++) {
        struct pbuf *p = pbuf_alloc(PBUF_RAW, 1500, PBUF_RAM); struct iovec v[8]; int c = 0;
        for (struct pbuf *x = p; x && c < 8; x = x->next) { v[c].iov_base = x->payload; v[c++].iov_len = x->len; }
        ssize_t k = readv(tunfd, v, c); if (k <= 0) { pbuf_free(p); break; }
        pbuf_realloc(p, k); got++; if (n.input(p, &n) != ERR_OK) pbuf_free(p);
      }
      sys_check_timeouts(); if (!got) poll(&pf, 1, 20);
    }
  }
  unsigned long long N = strtoull(argv[2], 0, 0);
  IP4_ADDR(&mask, 255, 255, 255, 0); IP4_ADDR(&gw, 0, 0, 0, 0);
  IP4_ADDR(&ip, 10, 0, 0, 1); netif_add(&na, &ip, &mask, &gw, NULL, mem_init2, ip_input); netif_set_up(&na);
  IP4_ADDR(&ip, 10, 0, 0, 2); netif_add(&nb, &ip, &mask, &gw, NULL, mem_init2, ip_input); netif_set_up(&nb);
  listen_on(5001, sink_recv, &nb);
  if (!strcmp(argv[1], "mem")) {
    cl.left = N; double t = now_s(); cli(5001); while (received < N) mem_poll();
    t = now_s() - t; printf("%.3f Gbit/s  %.1f ns/segment  %llu segments\n", N * 8 / t / 1e9, t * 1e9 / segs, segs);
  } else if (!strcmp(argv[1], "memcps")) {
    double t = now_s();
    for (unsigned long long i = 0; i < N; i++) {
      unsigned long long c0 = closed_n; cli_closed = cli_connected = 0; struct tcp_pcb *p = cli(5001); while (!cli_connected) mem_poll();
      tcp_shutdown(p, 0, 1); while (!cli_closed || closed_n == c0) mem_poll(); tcp_recv(p, NULL); tcp_sent(p, NULL); tcp_close(p); while (qh != qt) mem_poll();
      while (tcp_tw_pcbs) { struct tcp_pcb *w = tcp_tw_pcbs; tcp_tw_pcbs = w->next; tcp_free(w); }  // else the TIME_WAIT list grows and every lookup walks it
    }
    printf("%.0f conn/s\n", N / (now_s() - t));
  } else if (!strcmp(argv[1], "memidle")) {
    long r0 = rss(); struct mallinfo2 m0 = mallinfo2();
    for (unsigned long long i = 0; i < N; i++) { cli_connected = 0; cli(5001); while (!cli_connected) mem_poll(); while (qh != qt) mem_poll(); }
    struct mallinfo2 m1 = mallinfo2();
    printf("%.0f B RSS per connection end, %.0f B malloc, sizeof(tcp_pcb) %zu\n", (rss() - r0) / (2.0 * N), (m1.uordblks - m0.uordblks) / (2.0 * N), sizeof(struct tcp_pcb));
  }
}
