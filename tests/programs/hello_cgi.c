/* A CGI program: says hello and what it was asked. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  const char* query = getenv("QUERY_STRING");
  printf("Content-Type: text/plain\r\n\r\nhello %s\n", query ? query : "");
  return 0;
}
