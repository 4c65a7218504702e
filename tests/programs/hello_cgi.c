/* A CGI program: says hello and what it was asked, and how long that is. It reads what was sent with the request: its
 * server could else not know a program that wants none of it from one that has died. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char block[4096];
  while (fread(block, 1, sizeof block, stdin) > 0) continue;
  const char* query = getenv("QUERY_STRING");
  if (!query) query = "";
  printf("Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\nhello %s\n", strlen(query) + 7, query);
  return 0;
}
