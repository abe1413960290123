// swift-tools-version: 6.2
import PackageDescription

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
  name: "flatten-seg",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "flatten-seg", targets: ["flatten-seg"]),
    .library(
      name: "FlattenBackbones",
      targets: [
        "FlattenBackbones", "FlattenNN", "FlattenCheckpoint", "FlattenTensor", "FlattenImage",
      ]),
    .library(
      name: "FlattenSeg", targets: ["FlattenSeg", "FlattenData", "FlattenMetrics", "FlattenImage"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // C libraries of the system, found through pkg-config. OpenBLAS is for tests only: where the program
    // needs it, it loads it by itself.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CLibJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "CLibPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    // C targets.
    .target(name: "FlattenKernels"),
    .target(name: "FlattenCodecs", dependencies: ["CLibJPEG", "CLibPNG"]),
    .target(name: "FlattenDefaults"),

    // The rooms, from the cellar up.
    .target(name: "FlattenFiles"),
    .target(name: "FlattenTensor", dependencies: ["FlattenKernels"]),
    .target(name: "FlattenCheckpoint", dependencies: ["FlattenTensor", "FlattenFiles"]),
    .target(name: "FlattenNN", dependencies: ["FlattenTensor", "FlattenCheckpoint"]),
    .target(name: "FlattenConfig", dependencies: ["FlattenFiles", yams]),
    .target(
      name: "FlattenImage", dependencies: ["FlattenTensor", "FlattenFiles", "FlattenCodecs"]),
    .target(
      name: "FlattenBackbones", dependencies: ["FlattenNN", "FlattenConfig", "FlattenImage"]),
    .target(name: "FlattenModels", dependencies: ["FlattenBackbones"]),
    .target(
      name: "FlattenData", dependencies: ["FlattenImage", "FlattenConfig", "FlattenDefaults"]),
    .target(name: "FlattenMetrics", dependencies: ["FlattenTensor", "FlattenFiles"]),
    .target(
      name: "FlattenSeg",
      dependencies: [
        "FlattenModels", "FlattenData", "FlattenMetrics", "FlattenImage", "FlattenDefaults",
        logging,
      ]),
    .executableTarget(
      name: "flatten-seg",
      dependencies: [
        "FlattenSeg", "FlattenData", "FlattenMetrics", "FlattenImage", "FlattenCheckpoint",
        "FlattenTensor", "FlattenFiles", argumentParser, logging,
      ]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["FlattenCheckpoint"], path: "Tests/TestSupport"),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    // What the example of a model of one's own consists of, for tests of its numbers.
    .target(
      name: "OwnModelParts", dependencies: ["FlattenBackbones"],
      path: "Examples/OwnModel/Sources/OwnModel", exclude: ["main.swift"]),
    .testTarget(name: "FlattenFilesTests", dependencies: ["FlattenFiles", "TestSupport"]),
    .testTarget(
      name: "FlattenTensorTests",
      dependencies: ["FlattenTensor", "FlattenKernels", "TestSupport", "COpenBLAS"]),
    .testTarget(name: "TestSupportTests", dependencies: ["TestSupport"]),
    .testTarget(
      name: "FlattenCheckpointTests", dependencies: ["FlattenCheckpoint", "TestSupport"]),
    .testTarget(name: "FlattenNNTests", dependencies: ["FlattenNN", "TestSupport"]),
    .testTarget(name: "FlattenConfigTests", dependencies: ["FlattenConfig", "TestSupport"]),
    .testTarget(
      name: "FlattenBackbonesTests",
      dependencies: ["FlattenBackbones", "OwnModelParts", "TestSupport"]),
    .testTarget(
      name: "FlattenModelsTests",
      dependencies: ["FlattenModels", "TestSupport", "AllocationCounter"]),
    .testTarget(name: "FlattenImageTests", dependencies: ["FlattenImage", "TestSupport"]),
    .testTarget(
      name: "FlattenDataTests", dependencies: ["FlattenData", "FlattenMetrics", "TestSupport"]),
    .testTarget(name: "FlattenMetricsTests", dependencies: ["FlattenMetrics", "TestSupport"]),
    .testTarget(name: "FlattenSegTests", dependencies: ["FlattenSeg", "TestSupport"]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["FlattenSeg", "FlattenBackbones", "flatten-seg", "TestSupport"],
      exclude: ["Texts"]),
  ],
  cLanguageStandard: .c2x
)
