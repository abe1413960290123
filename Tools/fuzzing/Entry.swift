/// What libFuzzer calls. A text that is refused is as good as one that is read; only a crash, a hang or memory
/// without bounds is a finding.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  #if FUZZ_ANNOTATIONS
    _ = COCOFuzz.read(bytes, isResults: false)
  #elseif FUZZ_RESULTS
    _ = COCOFuzz.read(bytes, isResults: true)
  #else
    // The first two bytes are the size.
    let size = PixelSize(height: Int(bytes.first ?? 8), width: Int(bytes.dropFirst().first ?? 10))
    precondition(
      COCOFuzz.runLengths(Array(bytes.dropFirst(2)), size: size) != "written as another mask")
  #endif
  return 0
}
