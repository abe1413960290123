// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "PictureFeatures",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "flatten-seg", path: "../..")],
  targets: [
    .executableTarget(
      name: "PictureFeatures",
      dependencies: [.product(name: "FlattenBackbones", package: "flatten-seg")])
  ]
)
