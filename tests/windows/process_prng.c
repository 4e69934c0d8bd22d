// Gives the standard library of Rust its random numbers where Wine is older than 8.9: see `run`.
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *bytes, unsigned long long length) {
  return length <= 0xffffffff && SystemFunction036(bytes, (unsigned long)length);
}
