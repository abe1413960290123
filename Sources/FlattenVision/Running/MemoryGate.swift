import FlattenBackbones
import FlattenImage
import FlattenRegions
import FlattenTensor
import Foundation

/// Lets pictures into a pipeline while there is memory for all that are inside, from the picture's bytes to its
/// written results. One for which there is not waits until it is alone, and is refused where that does not help.
final class MemoryGate: Sendable {
  /// A picture's place inside, until nobody refers to it.
  final class Pass: Sendable {
    private let gate: MemoryGate
    private let bytes: Int

    fileprivate init(_ gate: MemoryGate, _ bytes: Int) {
      self.gate = gate
      self.bytes = bytes
    }

    deinit { gate.leave(bytes) }
  }

  private let condition = NSCondition()
  nonisolated(unsafe) private var pictures = 0
  nonisolated(unsafe) private var promised = 0
  /// Gives back what earlier pictures left for later ones.
  private let trim: @Sendable () -> Void

  /// What a process takes here and there while it works.
  private static let margin = 48 << 20

  /// - Parameter memory: keeps what lies ready for the next picture.
  init(over memory: BufferPool) { trim = { memory.trim() } }

  /// Waits until there is memory for a picture beside those inside.
  ///
  /// - Parameters:
  ///   - bytes: what the picture takes at most.
  ///   - size: the picture's, for the error.
  ///   - windowsHelp: whether sliding windows would need less, for the error.
  /// - Throws: ``InferenceError/pictureTooLarge(_:bytes:windowsHelp:)``.
  func enter(_ bytes: Int, for size: PixelSize, windowsHelp: Bool) throws -> Pass {
    condition.lock()
    defer { condition.unlock() }
    // What the pictures inside have taken already is counted twice: rather one after the other than too many.
    while !MemoryNeed.isMet(bytes + promised + Self.margin) {
      if pictures == 0 {
        trim()
        guard MemoryNeed.isMet(bytes + Self.margin) else {
          throw InferenceError.pictureTooLarge(size, bytes: bytes, windowsHelp: windowsHelp)
        }
        break
      }
      condition.wait()
    }
    pictures += 1
    promised += bytes
    return Pass(self, bytes)
  }

  private func leave(_ bytes: Int) {
    condition.lock()
    pictures -= 1
    promised -= bytes
    condition.broadcast()
    condition.unlock()
  }
}

/// A decoded picture with its place in a pipeline.
struct AdmittedPicture: Sendable {
  let decoded: Decoded<Image>
  let pass: MemoryGate.Pass
}

extension PictureSource {
  /// Reads a picture when there is memory for it and for what comes of it.
  ///
  /// - Parameters:
  ///   - ahead: the picture that was begun before there was a gate.
  ///   - need: what a picture of a size takes beside itself.
  ///   - outputs: the bytes that writing the results of such a picture takes.
  ///   - windowsHelp: whether sliding windows would need less, for the error.
  func read(
    limits: DecodingLimits, exif: ExifOrientation, ahead: PictureAhead?, through gate: MemoryGate,
    need: (PixelSize) throws -> PictureNeed, outputs: (PixelSize) -> Int = { _ in 0 },
    windowsHelp: (PictureNeed) -> Bool = { _ in false }
  ) throws -> AdmittedPicture {
    if let decoded = try ahead?.take(self) {
      let size = decoded.value.size
      let need = try need(size)
      let pass = try gate.enter(
        need.most(decoding: 0, outputs: outputs(size)), for: size, windowsHelp: windowsHelp(need))
      return AdmittedPicture(decoded: decoded, pass: pass)
    }
    return try gate.decode(
      encoded(limits: limits, exif: exif), need: need, outputs: outputs, windowsHelp: windowsHelp)
  }
}

extension MemoryGate {
  /// Decodes a picture when there is memory for it and for what comes of it.
  ///
  /// - Parameters: as for `PictureSource.read`.
  func decode(
    _ encoded: EncodedPicture, need: (PixelSize) throws -> PictureNeed,
    outputs: (PixelSize) -> Int = { _ in 0 }, windowsHelp: (PictureNeed) -> Bool = { _ in false }
  ) throws -> AdmittedPicture {
    let need = try need(encoded.size)
    let most = need.most(decoding: encoded.decodingNeed, outputs: outputs(encoded.size))
    let pass = try enter(
      encoded.memoryNeed + most, for: encoded.size, windowsHelp: windowsHelp(need))
    return AdmittedPicture(decoded: try encoded.decode(), pass: pass)
  }
}
