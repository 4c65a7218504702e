// Deeds: what an intruder does after he got in, done for real by deed_server. A deed gives 0, an errno, or minus the
// signal that ended the child that did it; many take a word of the request. Nothing here does harm where it is allowed:
// what would change the machine is asked for with arguments that the kernel refuses, all else leaves a mark.
#pragma once

#include <netinet/in.h>

#include <functional>
#include <map>
#include <string>

using Deed = std::function<int(const std::string& word)>;
using Deeds = std::map<std::string, Deed>;

const Deeds& network_deeds();    // sockets and what goes through them
const Deeds& program_deeds();    // programs started, by whatever way
const Deeds& file_deeds();       // files written that become programs
const Deeds& kernel_deeds();     // the machine, and other processes
const Deeds& disguise_deeds();   // a deed that something else goes before, or beside
const Deeds& aftermath_deeds();  // what is done with the host afterwards

// Before the first session: code in memory that is no file's, for the deed `make_memory_file_injected`.
void inject_code();

extern sockaddr_in own_address;  // where the server listens
extern int own_session;          // the connection that the request came by; -1 after an exec

int do_deed(const std::string& name, const std::string& word);  // of all rows above; ENOSYS: there is none
int error_of(long result);
int in_child(const std::function<int()>& work);
