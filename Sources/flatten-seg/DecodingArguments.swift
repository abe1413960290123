import ArgumentParser
import FlattenImage

/// How picture files are read; shared by the commands that read some.
struct DecodingArguments: ParsableArguments {
  @Option(help: "Refuse pictures of more pixels than this.")
  private var maxPixels = 1 << 27

  @Option(
    help: "Turn pictures upright by their EXIF orientation, or take them as they are stored.")
  var exif = ExifOrientation.apply

  /// What is refused by the decoders.
  var limits: DecodingLimits { DecodingLimits(pixels: maxPixels) }

  func validate() throws {
    if maxPixels < 1 {
      throw ValidationError("--max-pixels is \(maxPixels), at least 1 is wanted.")
    }
  }
}

extension ExifOrientation: ExpressibleByArgument {}
